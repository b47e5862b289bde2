// The sparse half of the lexical model: a table of embeddings, of which one shard holds some columns.
// Gather and weighted sum forwards, scatter backwards, AdamW on the rows of a batch only.
// Deterministic: sums run in the order of the batch. Columns are independent, so shards never talk to each other.
import type { AdamW } from '../adamw.ts'

/** A batch in compressed rows: features of row r lie at [offsets[r], offsets[r+1]). */
export interface SparseBatch {
  rows: number
  readonly offsets: Int32Array
  readonly ids: Int32Array
  readonly weights: Float32Array
}

export interface Shard {
  /** [buckets × columns], row-major. */
  readonly table: Float32Array
  readonly columns: number
  /** Writes the sums of this shard's columns into out [rows × width] from column `at`. */
  forward(batch: SparseBatch, out: Float32Array, width: number, at: number): void
  /** Folds the gradient of those sums into the rows of the batch. Steps count from 1. */
  backward(batch: SparseBatch, gradient: Float32Array, width: number, at: number, rate: number, step: number): void
}

export function forward(
  table: Float32Array,
  columns: number,
  batch: SparseBatch,
  out: Float32Array,
  width: number,
  at: number,
): void {
  const { rows, offsets, ids, weights } = batch
  const sum = new Float32Array(columns)
  for (let row = 0; row < rows; row++) {
    sum.fill(0)
    const end = offsets[row + 1]!
    for (let j = offsets[row]!; j < end; j++) {
      const weight = weights[j]!
      const base = ids[j]! * columns
      for (let k = 0; k < columns; k++) sum[k]! += weight * table[base + k]!
    }
    out.set(sum, row * width + at)
  }
}

/** A shard whose table lives in the given memory; moments are its own. */
export function shard(table: Float32Array, columns: number, rowsMax: number, adamw: AdamW): Shard {
  const buckets = table.length / columns
  const first = new Float32Array(table.length)
  const second = new Float32Array(table.length)
  const slots = new Int32Array(buckets).fill(-1)
  const touched = new Int32Array(buckets)
  let sums = new Float32Array(Math.min(buckets, rowsMax * 64) * columns)

  /** Sums the gradient of each distinct row of the batch; gives back how many there are. */
  function scatter(batch: SparseBatch, gradient: Float32Array, width: number, at: number): number {
    const { rows, offsets, ids, weights } = batch
    let distinct = 0
    for (let row = 0; row < rows; row++) {
      const from = row * width + at
      const end = offsets[row + 1]!
      for (let j = offsets[row]!; j < end; j++) {
        const id = ids[j]!
        const weight = weights[j]!
        let slot = slots[id]!
        if (slot < 0) {
          slot = distinct++
          slots[id] = slot
          touched[slot] = id
          if (distinct * columns > sums.length) sums = grown(sums)
          sums.fill(0, slot * columns, (slot + 1) * columns)
        }
        const base = slot * columns
        for (let k = 0; k < columns; k++) sums[base + k]! += weight * gradient[from + k]!
      }
    }
    return distinct
  }

  return {
    table,
    columns,
    forward: (batch, out, width, at) => forward(table, columns, batch, out, width, at),
    backward(batch, gradient, width, at, rate, step) {
      const distinct = scatter(batch, gradient, width, at)
      const { beta1, beta2, epsilon, weightDecay } = adamw
      const scale = rate / (1 - beta1 ** step)
      const correction = 1 / (1 - beta2 ** step)
      const keep = 1 - rate * weightDecay
      for (let slot = 0; slot < distinct; slot++) {
        const id = touched[slot]!
        slots[id] = -1
        const from = id * columns
        const base = slot * columns
        for (let k = 0; k < columns; k++) {
          const g = sums[base + k]!
          const m = beta1 * first[from + k]! + (1 - beta1) * g
          const v = beta2 * second[from + k]! + (1 - beta2) * g * g
          first[from + k] = m
          second[from + k] = v
          table[from + k] = keep * table[from + k]! - (scale * m) / (Math.sqrt(v * correction) + epsilon)
        }
      }
    },
  }
}

function grown(old: Float32Array): Float32Array<ArrayBuffer> {
  const next = new Float32Array(old.length * 2)
  next.set(old)
  return next
}
