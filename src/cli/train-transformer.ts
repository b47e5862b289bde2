// How `sluice train` fine-tunes a transformer: wires learn/transformer to the runtime and to what people see.
import { readEncoder } from '../adapters/files/encoder-store.ts'
import { withGolden } from '../adapters/onnx/golden.ts'
import { runtime } from '../adapters/onnx/runtime.ts'
import { openPairTokenizer } from '../adapters/onnx/tokenizer.ts'
import { uncertifiedText } from '../core/calibration/propose.ts'
import { tree } from '../core/lexical/tree.ts'
import { transformerCard } from '../learn/transformer/card.ts'
import { transformerExamples } from '../learn/transformer/examples.ts'
import { judge } from '../learn/transformer/judge.ts'
import { ADAPTER_LEARNING_RATE, TRANSFORMER } from '../learn/transformer/settings.ts'
import { fineTune } from '../learn/transformer/train.ts'
import type { TransformerSettings } from '../learn/transformer/settings.ts'
import { settingOf, showFit } from './fine-tuning.ts'
import { importedManifest } from './imported.ts'
import type { KindOption, Trained, TrainJob } from './train.ts'

/** What the kinds that fine-tune a transformer let users set; these stand where nothing is said. */
export function tuningOptions(usual: TransformerSettings) {
  return {
    encoder: { value: 'NAME', says: 'what is fine-tuned, of `sluice models list`', default: 'minilm' },
    epochs: { value: 'N', says: 'times each row is read at most', default: String(usual.epochs) },
    minutes: { value: 'N', says: 'ends the fit early; such a run cannot be repeated to the byte' },
    'rows-max': { value: 'N', says: 'learns from that many rows, drawn by seed' },
    lora: { value: 'RANK', says: 'trains low-rank adapters instead of every weight' },
    'learning-rate': {
      value: 'RATE',
      says: `largest step (default ${usual.learningRate}; with --lora ${ADAPTER_LEARNING_RATE})`,
    },
    'tokens-max': { value: 'N', says: 'longer texts are cut', default: String(usual.tokensMax) },
    threads: { value: 'N', says: 'threads of the runtime', default: String(usual.threads) },
  } as const satisfies Readonly<Record<string, KindOption>>
}

export const options = tuningOptions(TRANSFORMER)

/** Share of answers at the proposed threshold that are right, where that can be had. */
const PRECISION = { pair: 0.85, text: 0.97 }

export async function train(job: TrainJob): Promise<Trained> {
  const { view, signal, seed, files } = job
  const settings = settingsOf(job.options, TRANSFORMER)
  const encoder = await readEncoder(job.options['encoder']!)
  const data = await transformerExamples(job.rows, job.task)
  for (const warning of data.warnings) view.line(`warning: ${warning}`)
  const tokenize = openPairTokenizer(encoder.tokenizer, settings.tokensMax)
  const tuned = await fineTune(
    runtime.read(encoder.graph),
    data,
    tokenize,
    { ...settings, rowsMax: settingOf(job.options, 'rows-max', Infinity, true), seed },
    { runtime, signal, ...showFit(view, settings.epochs) },
  )
  const { split, graph, temperature, probabilities, labels, epochs, steps, rowsPerSecond } = tuned
  const model = runtime.serialise(graph)
  const judged = judge({ ...split, probabilities, labels }, tree(data.labels), {
    precision: data.pair ? PRECISION.pair : PRECISION.text,
    adjusted: data.pair,
    sources: data.sources.length,
  })
  const types = graph.inputs.some(({ name }) => name === 'token_type_ids')
  const manifest = {
    ...importedManifest({ ...data, ...settings, types }),
    temperatures: data.labels.paths[0]!.map(() => temperature),
  }
  const { thresholds, offsets } = judged
  const folder = {
    manifest: { ...manifest, thresholds, offsets, data: files },
    model,
    parts: { 'tokenizer.json': encoder.tokenizer },
    labelPaths: data.labels.paths,
  }
  const bytes = model.length
  const counts = { training: split.training.length, validation: split.validation.length, epochs, steps }
  const run = { ...counts, temperature, encoder: encoder.settings.name, settings, files, bytes, command: job.command }
  const named = Object.fromEntries(data.sources.map((source, at) => [source, judged.bySource[at]]))
  const calibration = { temperature, thresholds, offsets, bySource: named }
  return {
    folder: {
      ...(await withGolden(folder)),
      files: {
        'calibration.json': `${JSON.stringify(calibration, undefined, 1)}\n`,
        'card.md': transformerCard(data, judged, run),
      },
    },
    figures: { ...counts, rowsPerSecond, accuracy: judged.accuracy, ...calibration, warnings: data.warnings },
    summary: [
      ...Object.entries(named).flatMap(([source, found]) =>
        found && found.plain.rows > 0
          ? [
              `${source}, held back: accuracy ${(100 * found.plain.accuracy).toFixed(1)} %, macro-F1 ${found.plain.macroF1.toFixed(3)}`,
            ]
          : [],
      ),
      uncertifiedText(thresholds),
      `${rowsPerSecond.toFixed(1)} rows/s in training`,
    ],
  }
}

export function settingsOf(given: TrainJob['options'], usual: TransformerSettings): TransformerSettings {
  const rank = settingOf(given, 'lora', 0, true)
  return {
    ...usual,
    rank,
    epochs: settingOf(given, 'epochs', usual.epochs, true),
    minutes: settingOf(given, 'minutes', Infinity),
    learningRate: settingOf(given, 'learning-rate', rank > 0 ? ADAPTER_LEARNING_RATE : usual.learningRate),
    tokensMax: settingOf(given, 'tokens-max', usual.tokensMax, true),
    threads: settingOf(given, 'threads', usual.threads, true),
  }
}
