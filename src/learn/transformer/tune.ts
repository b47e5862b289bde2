// Fine-tunes an encoder for the rows of one task and gives it back as an encoder: the classifier over it, which told it
// what to learn, is thrown away.
import { tokenVectors } from './classifier.ts'
import { inBytes } from './export.ts'
import { fitTransformer } from './fit.ts'
import { foldConstants, pruned } from './fold.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { FitData, FitTools } from './fit.ts'
import type { TransformerSettings } from './settings.ts'

export interface TunedEncoder {
  /** Tokens in, a vector a token out, as before; large weights in a byte each. */
  readonly graph: GraphSpec
  /** Of the best epoch, whose weights these are. */
  readonly epochs: number
  /** Training rows a second. */
  readonly rowsPerSecond: number
}

/** Learns from `training`; of its epochs the best by what the classifier says of `validation`. Throws like fitTransformer. */
export async function tuneEncoder(
  encoder: GraphSpec,
  data: FitData,
  settings: TransformerSettings & { readonly seed: number },
  tools: FitTools,
): Promise<TunedEncoder> {
  const whole = await foldConstants(tools.runtime, encoder)
  const { weights, epochs, rowsPerSecond } = await fitTransformer(whole, data, { ...settings, rank: 0 }, tools)
  const graph = pruned(whole, [tokenVectors(whole)!.name])
  const known = Object.keys(graph.initializers).map((name) => [name, weights[name] ?? graph.initializers[name]!])
  return { graph: inBytes({ ...graph, initializers: Object.fromEntries(known) }), epochs, rowsPerSecond }
}
