// Rows of tokens, and batches of rows of about the same length: little is padded, and the order is still shuffled.
import { type Random, shuffle } from '../../core/random.ts'
import type { Tensor } from '../../ports/graph.ts'

/** A text, or a pair of texts, as the encoder reads it. */
export interface Tokens {
  readonly ids: Int32Array
  /** Where the second text begins; the length of `ids` where there is none. */
  readonly second: number
}

/** Batches are cut from stretches of this many, sorted by length. */
const STRETCH_BATCHES = 32

/** Positions of rows, batch by batch, each row once; the batches in random order. */
export function shuffledBatches(lengths: readonly number[], batchRows: number, next: Random): Int32Array[] {
  const order = Int32Array.from(lengths.keys())
  shuffle(order, next)
  const batches: Int32Array[] = []
  const stretch = STRETCH_BATCHES * batchRows
  for (let from = 0; from < order.length; from += stretch)
    batches.push(...sortedBatches(lengths, batchRows, order.slice(from, from + stretch)))
  const places = Int32Array.from(batches.keys())
  shuffle(places, next)
  return Array.from(places, (at) => batches[at]!)
}

/** Shortest first. */
export function sortedBatches(lengths: readonly number[], batchRows: number, rows: Int32Array): Int32Array[] {
  const sorted = rows.toSorted((a, b) => lengths[a]! - lengths[b]! || a - b)
  const count = Math.ceil(sorted.length / batchRows)
  return Array.from({ length: count }, (_, at) => sorted.slice(at * batchRows, (at + 1) * batchRows))
}

/** input_ids, attention_mask, token_type_ids [rows × longest], int64, as exported encoders name them. */
export function tokenFeeds(rows: readonly Tokens[]): Record<string, Tensor> {
  const width = Math.max(1, ...rows.map(({ ids }) => ids.length))
  const dims = [rows.length, width]
  const [ids, mask, types] = Array.from({ length: 3 }, () => new BigInt64Array(rows.length * width))
  rows.forEach((row, at) => {
    for (let k = 0; k < row.ids.length; k++) ids![at * width + k] = BigInt(row.ids[k]!)
    mask!.fill(1n, at * width, at * width + row.ids.length)
    types!.fill(1n, at * width + row.second, at * width + row.ids.length)
  })
  return {
    input_ids: { dtype: 'int64', dims, data: ids! },
    attention_mask: { dtype: 'int64', dims, data: mask! },
    token_type_ids: { dtype: 'int64', dims, data: types! },
  }
}
