// How `sluice train` makes a stack: a lexical model first, a pulled encoder for what it is not sure of.
import { thresholdsText } from '../core/calibration/propose.ts'
import { FEATURES_VERSION } from '../core/lexical/features.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'
import { withGolden } from '../adapters/onnx/golden.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { taxonomyExamples } from '../learn/examples.ts'
import { percent } from '../learn/lexical/card.ts'
import { LEXICAL } from '../learn/lexical/settings.ts'
import { stackCard, stackTable } from '../learn/stack/card.ts'
import { trainStack } from '../learn/stack/train.ts'
import { ENCODER_OPTION, encodeAll } from './encoder-vectors.ts'
import { showHead } from './train-encoder.ts'
import { show } from './train-lexical.ts'
import type { TrainJob, Trained } from './train.ts'

export const options = ENCODER_OPTION

export async function train(job: TrainJob): Promise<Trained> {
  const { view, signal, seed } = job
  const data = await taxonomyExamples(job.rows, job.task)
  for (const warning of data.warnings) view.line(`warning: ${warning}`)
  const { files, vectors, perSecond } = await encodeAll(data, job)
  const { settings } = files
  const trained = await trainStack(data, vectors, settings.dims, seed, LEXICAL, {
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
      encoder: settings,
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
  }
  return {
    folder: {
      ...(await withGolden(folder)),
      files: {
        'calibration.json': `${JSON.stringify(calibration, undefined, 1)}\n`,
        'card.md': stackCard(data, trained, settings, perSecond, job),
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
