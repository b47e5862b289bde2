// Runs a classifier's graph over many rows: what it gives for each, whatever the order in which batches were run.
import { type Tokens, sortedBatches, tokenFeeds } from './batches.ts'
import type { Compiled, Tensor } from '../../ports/graph.ts'

const BATCH_ROWS = 64

/** The graph's one output, [rows × classes], in the order of the rows; `others` are fed beside the tokens. */
export async function answersOf(
  compiled: Compiled,
  rows: readonly Tokens[],
  classes: number,
  others: Readonly<Record<string, Tensor>>,
  signal: AbortSignal,
): Promise<Float32Array> {
  const out = new Float32Array(rows.length * classes)
  const lengths = rows.map(({ ids }) => ids.length)
  for (const batch of sortedBatches(lengths, BATCH_ROWS, Int32Array.from(rows.keys()))) {
    signal.throwIfAborted()
    const feeds = { ...tokenFeeds(Array.from(batch, (row) => rows[row]!)), ...others }
    const [answer] = Object.values(await compiled.run(fed(compiled, feeds)))
    const values = answer!.data as Float32Array
    batch.forEach((row, at) => out.set(values.subarray(at * classes, (at + 1) * classes), row * classes))
  }
  return out
}

/** Those of the feeds that the graph has inputs for. */
export function fed(compiled: Compiled, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(compiled.inputs.map((name) => [name, feeds[name]!]))
}

export function floats(dims: readonly number[], value: () => number): Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1)
  return { dtype: 'float32', dims, data: Float32Array.from({ length: size }, value) }
}
