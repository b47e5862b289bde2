// How `sluice train` makes a pair stack: a pair model first, a fine-tuned transformer for what it is not sure of.
import { readEncoder } from '../adapters/files/encoder-store.ts'
import { withGolden } from '../adapters/onnx/golden.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { openPairTokenizer } from '../adapters/onnx/tokenizer.ts'
import { uncertifiedText } from '../core/calibration/propose.ts'
import { PAIR_SEGMENTS, PAIR_VERSION } from '../core/pair/encode.ts'
import { packLexicon } from '../core/pair/lexicon.ts'
import { pairStackCard, pairStackTable } from '../learn/pair-stack/card.ts'
import { trainPairStack } from '../learn/pair-stack/train.ts'
import { offsetsByName } from '../learn/pair/decisions.ts'
import { relevanceExamples } from '../learn/pair/examples.ts'
import { percent } from '../learn/percent.ts'
import { PAIR_TUNING } from '../learn/transformer/settings.ts'
import { settingOf, showFit } from './fine-tuning.ts'
import { importedManifest } from './imported.ts'
import { showPairs } from './train-pair.ts'
import { settingsOf, tuningOptions } from './train-transformer.ts'
import type { Figures } from '../learn/pair/calibrate.ts'
import type { Judged } from '../learn/transformer/judge.ts'
import type { Trained, TrainJob } from './train.ts'

export const options = tuningOptions(PAIR_TUNING)

export async function train(job: TrainJob): Promise<Trained> {
  const { view, signal, seed, files } = job
  const settings = settingsOf(job.options, PAIR_TUNING)
  const rowsMax = settingOf(job.options, 'rows-max', Infinity, true)
  const encoder = await readEncoder(job.options['encoder']!)
  const data = relevanceExamples(await Array.fromAsync(job.rows), job.task?.labels)
  for (const warning of data.warnings) view.line(`warning: ${warning}`)
  const training = await trainPairStack(
    data,
    runtime.read(encoder.graph),
    openPairTokenizer(encoder.tokenizer, settings.tokensMax),
    { ...settings, rowsMax, seed },
    { runtime, signal, ...showFit(view, settings.epochs), pairProgress: showPairs(job) },
  )
  const { pair, transformer, weights, chosen, offsets, served, alone, steps } = training
  const model = runtime.serialise(training.graph)
  const parts = {
    'pair.onnx': runtime.serialise(pair.graph(offsets)),
    'lexicon.bin': packLexicon(pair.lexicon),
    'tokenizer.json': encoder.tokenizer,
  }
  const types = training.graph.inputs.some(({ name }) => name === 'token_type_ids')
  const reading = importedManifest({ segments: PAIR_SEGMENTS, pair: true, tokensMax: settings.tokensMax, types })
  const folder = {
    manifest: {
      ...reading,
      kind: 'pair-stack' as const,
      features: { ...reading.features, version: PAIR_VERSION },
      ask: chosen.ask,
      temperatures: [transformer.temperature],
      thresholds: served.thresholds,
      offsets,
      data: files,
    },
    model,
    parts,
    labelPaths: data.labels.paths,
  }
  const bySource = (judged: Judged) => Object.fromEntries(data.sources.map((name, at) => [name, judged.bySource[at]!]))
  const calibration = {
    weights,
    ask: chosen.ask,
    asked: chosen.asked,
    epochs: transformer.epochs,
    temperature: transformer.temperature,
    thresholds: served.thresholds,
    offsets: offsetsByName(data.sources, pair.files, offsets),
    steps,
    validation: bySource(served),
    alone: { pair: bySource(alone.pair), transformer: bySource(alone.transformer) },
  }
  const run = {
    encoder: encoder.settings.name,
    settings,
    files,
    bytes: [parts['pair.onnx'].length + parts['lexicon.bin'].length, model.length],
    command: job.command,
  } as const
  return {
    folder: {
      ...(await withGolden(folder)),
      files: {
        'calibration.json': `${JSON.stringify(calibration, undefined, 1)}\n`,
        'card.md': pairStackCard(data, training, run),
      },
    },
    figures: {
      rows: data.rows.length,
      ...calibration,
      rowsPerSecond: transformer.rowsPerSecond,
      warnings: data.warnings,
    },
    summary: [
      ...pairStackTable(training),
      ...Object.entries(bySource(served)).flatMap(([source, { plain, decided }]) =>
        plain.rows === 0 ? [] : [`${source}, held back: ${said(plain)}; adjusted to the prior ${said(decided!)}`],
      ),
      uncertifiedText(served.thresholds),
    ],
  }
}

function said({ accuracy, macroF1 }: Figures): string {
  return `accuracy ${percent(accuracy)}, macro-F1 ${macroF1.toFixed(3)}`
}
