// From rows of text to a fine-tuned transformer and what it says of the rows that were held back, answered as it will be
// served: calibrated, with its weights in bytes.
import { answersOf } from './answers.ts'
import { parts } from './examples.ts'
import { exported, inBytes } from './export.ts'
import { fitTransformer } from './fit.ts'
import { foldConstants } from './fold.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { Tokens } from './batches.ts'
import type { Parts, TransformerExamples } from './examples.ts'
import type { Mixture } from './export.ts'
import type { FitTools, Fitted } from './fit.ts'
import type { TransformerSettings } from './settings.ts'

export interface FineTuning extends TransformerSettings {
  readonly rowsMax: number
  readonly seed: number
}

export interface FineTuned extends Pick<Fitted, 'epochs' | 'steps' | 'rowsPerSecond' | 'temperature'> {
  readonly split: Parts
  /** Tokens in, `probabilities` [rows × classes] out … */
  readonly graph: GraphSpec
  /** … and the same joined with another expert. */
  readonly joined: (mixture: Mixture) => GraphSpec
  /** Rows that it answers, in batches. */
  readonly perSecond: number
  /** What that graph, by itself, says of the rows held back, and what they are: [held × classes], [held]. */
  readonly probabilities: Float32Array
  readonly labels: Int32Array
}

/** Throws like fitTransformer, and SL502 where nothing could be held back. */
export async function fineTune(
  encoder: GraphSpec,
  data: TransformerExamples,
  tokenize: (first: string, second?: string) => Tokens,
  tuning: FineTuning,
  tools: FitTools,
): Promise<FineTuned> {
  const { runtime, signal } = tools
  const split = parts(data, tokenize, tuning)
  const classes = data.labels.paths.length
  const whole = await foldConstants(runtime, encoder)
  const fitted = await fitTransformer(whole, { ...split, classes }, tuning, tools)
  const labels = Int32Array.from(split.validation, ({ label }) => label)
  const { epochs, steps, rowsPerSecond, temperature } = fitted
  const answering = (mixture?: Mixture) => inBytes(exported(whole, fitted, { classes, temperature, mixture }))
  const graph = answering()
  const served = await runtime.compile(runtime.serialise(graph), { threads: tuning.threads })
  const started = performance.now()
  const probabilities = await answersOf(served, split.validation, classes, {}, signal).finally(() => served.close())
  const perSecond = (1000 * labels.length) / (performance.now() - started)
  return {
    split,
    temperature,
    graph,
    joined: answering,
    perSecond,
    probabilities,
    labels,
    epochs,
    steps,
    rowsPerSecond,
  }
}
