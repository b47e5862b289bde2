// How `sluice train` makes a stack: a lexical model first, a pulled encoder for what it is not sure of.
import { thresholdsText } from '../core/calibration/propose.ts'
import { FEATURES_VERSION } from '../core/lexical/features.ts'
import { SluiceError } from '../core/error.ts'
import { readEncoder } from '../adapters/files/encoder-store.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'
import { withGolden } from '../adapters/onnx/golden.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { taxonomyExamples } from '../learn/examples.ts'
import { percent } from '../learn/percent.ts'
import { stackCard, stackTable } from '../learn/stack/card.ts'
import { trainStack } from '../learn/stack/train.ts'
import { ENCODER_OPTION, encodeAll } from './encoder-vectors.ts'
import { TUNED, settingOf, tuned } from './fine-tuning.ts'
import { showHead } from './train-encoder.ts'
import { FOLDS_OPTION, lexicalSettings, show } from './train-lexical.ts'
import type { TrainJob, Trained } from './train.ts'

export const options = {
  ...ENCODER_OPTION,
  ...FOLDS_OPTION,
  tune: { value: 'EPOCHS', says: 'fine-tunes the encoder for these rows first, reading each so many times; slow' },
} as const

/** Throws SL104 where `--folds` and `--tune` are both given. */
export async function train(job: TrainJob): Promise<Trained> {
  const { view, signal, seed } = job
  const settings = lexicalSettings(job.options)
  if (job.options['tune'] !== undefined && job.options['folds'] !== undefined)
    throw new SluiceError('SL104', '--folds does not go with --tune: a tuned encoder has seen every part but the first')
  const data = await taxonomyExamples(job.rows, job.task)
  for (const warning of data.warnings) view.line(`warning: ${warning}`)
  const epochs = settingOf(job.options, 'tune', 0, true)
  const pulled = await readEncoder(job.options['encoder']!)
  const tuning = epochs > 0 ? await tuned(pulled, data, epochs, job) : undefined
  const files = tuning?.files ?? pulled
  const { vectors, perSecond } = await encodeAll(files, data, job, { remembered: !tuning })
  const trained = await trainStack(data, vectors, files.settings.dims, seed, tuning ? TUNED : settings, {
    runtime,
    signal,
    report: (progress) => showHead(progress, view),
    reportLexical: (progress) => show(progress, view),
  })
  const { lexical, head, served, chosen, weights, vote, steps } = trained
  const folder = {
    manifest: {
      format: 1 as const,
      kind: 'stack' as const,
      segments: data.segments,
      normaliser: NORMALISER_VERSION,
      features: { version: FEATURES_VERSION, ...lexical.features },
      encoder: files.settings,
      ask: chosen.ask,
      temperatures: lexical.temperatures,
      thresholds: served.thresholds,
      certificate: served.certificate && { ...served.certificate, data: job.files },
      data: job.files,
    },
    model: trained.model,
    parts: { 'lexical.onnx': lexical.model, 'encoder.onnx': files.graph, 'tokenizer.json': files.tokenizer },
    labelPaths: data.labels.paths,
  }
  const calibration = {
    weights,
    vote,
    ask: chosen.ask,
    asked: chosen.asked,
    epochs: { lexical: lexical.epochs, head: head.epochs },
    thresholds: served.thresholds,
    validation: served,
    always: trained.always,
    alone: trained.alone,
    steps,
    encoderTitlesPerSecond: Math.round(perSecond),
    ...(tuning && { tuning: { epochs: tuning.epochs, rowsPerSecond: Math.round(tuning.rowsPerSecond) } }),
  }
  return {
    folder: {
      ...(await withGolden(folder)),
      files: {
        'calibration.json': `${JSON.stringify(calibration, undefined, 1)}\n`,
        'card.md': stackCard(data, trained, files.settings, perSecond, job),
      },
    },
    figures: { rows: data.examples.length, ...calibration, warnings: data.warnings },
    summary: [
      ...stackTable(trained, perSecond),
      `asks where the lexical model is below ${chosen.ask}: ${percent(chosen.asked)} of the validation rows`,
      `at the proposed thresholds ${thresholdsText(served.thresholds)}: ${percent(served.coverage)} answered, ${percent(served.selectiveAccuracy)} of them right`,
      served.promise,
    ],
  }
}
