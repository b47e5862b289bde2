// What the kinds that fine-tune an encoder share: how it is shown, what their numbers may be, and what `--tune` does before
// a stack is trained: the encoder learns from the rows that the stack does not hold out.
import { runtime } from '../adapters/onnx/runtime.ts'
import { openTokenizer } from '../adapters/onnx/tokenizer.ts'
import { pathIndex, pathKey } from '../core/labels.ts'
import { sentence } from '../core/text/sentence.ts'
import { isHeld } from '../learn/encoder/train.ts'
import { LEXICAL, heldShare } from '../learn/lexical/settings.ts'
import { TUNING } from '../learn/transformer/settings.ts'
import { tuneEncoder } from '../learn/transformer/tune.ts'
import { numberOf } from './command.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { FitTools } from '../learn/transformer/fit.ts'
import type { EncoderFiles } from '../ports/encoder.ts'
import type { Examples } from '../learn/examples.ts'
import type { LexicalSettings } from '../learn/lexical/settings.ts'
import type { TrainJob } from './train.ts'

/**
 * Of a stack with a tuned encoder: that is not fitted again on all rows, so it is kept from few, and it has seen those of
 * every part but the first.
 */
export const TUNED: LexicalSettings = { ...LEXICAL, validationShare: 0.1, foldsMax: 1 }

export interface Tuned {
  /** The same encoder with other weights, and another name. */
  readonly files: EncoderFiles
  /** Of the best epoch, whose weights these are. */
  readonly epochs: number
  /** Training rows a second. */
  readonly rowsPerSecond: number
}

/** Throws SL503 where the encoder cannot be differentiated, SL501 where it gives no vectors by token. */
export async function tuned(files: EncoderFiles, data: Examples, epochs: number, job: TrainJob): Promise<Tuned> {
  const { settings } = files
  const tokenize = openTokenizer(files.tokenizer, settings.tokensMax)
  const index = pathIndex(data.labels)
  const share = heldShare(data.examples.length, TUNED)
  const rows = data.examples.map(({ texts, label }) => {
    const ids = tokenize(settings.prefix + sentence(texts))
    const row = { ids, second: ids.length, label: index.get(pathKey(label))!, weight: 1 }
    return { row, held: isHeld(texts, share, 0) }
  })
  const side = (wanted: boolean) => rows.filter(({ held }) => held === wanted).map(({ row }) => row)
  const { graph, ...fit } = await tuneEncoder(
    runtime.read(files.graph),
    { training: side(false), validation: side(true), classes: data.labels.paths.length },
    { ...TUNING, epochs, seed: job.seed },
    { runtime, signal: job.signal, ...showFit(job.view, epochs) },
  )
  const named = { ...settings, name: `${settings.name}, fine-tuned` }
  return { files: { ...files, settings: named, graph: runtime.serialise(graph) }, ...fit }
}

/** How a fine-tuning is shown. */
export function showFit(view: ProgressView, epochs: number): Pick<FitTools, 'onStep' | 'onEpoch'> {
  return {
    onStep: (step, steps, loss, rowsPerSecond, progress) =>
      view.update(
        'fine-tuning',
        progress,
        1,
        `step ${step}/${steps} · loss ${loss.toFixed(3)} · ${rowsPerSecond.toFixed(1)} rows/s`,
      ),
    onEpoch: (epoch, loss, accuracy) =>
      view.line(
        `epoch ${epoch}/${epochs}: held-back loss ${loss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(1)} %`,
      ),
  }
}

/** A number above 0 where the option is given. */
export function settingOf(given: TrainJob['options'], name: string, otherwise: number, whole = false): number {
  const text = given[name]
  return text === undefined ? otherwise : numberOf(name, text, { whole, above: 0 })
}
