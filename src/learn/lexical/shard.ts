// The sparse half of the lexical model: a table of embeddings, of which one shard holds some columns.
// Gather and weighted sum forwards, scatter backwards, AdamW on the rows of a batch only.
// Deterministic: sums run in the order of the batch. Columns are independent, so shards never talk to each other.
import { bytesOf, instantiate } from '../simd.ts'
import { KERNELS } from './kernels.ts'
import type { Arena, SharedMemory } from '../simd.ts'
import type { AdamW } from '../adamw.ts'

/** A batch in compressed rows: features of row r lie at [offsets[r], offsets[r+1]). */
export interface SparseBatch {
  rows: number
  readonly offsets: Int32Array
  readonly ids: Int32Array
  readonly weights: Float32Array
}

/** What a shard works on, all in one memory. */
export interface ShardArrays {
  /** [buckets × columns], row-major; so are both moments. */
  readonly table: Float32Array
  readonly first: Float32Array
  readonly second: Float32Array
  /** Gradient of the distinct rows of a batch, the ids of those rows, and for each feature of the batch its row here. */
  readonly gradient: Float32Array
  readonly touched: Int32Array
  readonly slots: Int32Array
}

export interface ShardSize {
  readonly buckets: number
  /** A multiple of eight. */
  readonly columns: number
  /** Most features of a batch. */
  readonly features: number
}

export interface Shard {
  /** Writes the sums of this shard's columns into out [rows × width] from column `at`. */
  forward(batch: SparseBatch, out: Float32Array, width: number, at: number): void
  /** Folds the gradient of those sums into the rows of the batch. Steps count from 1. */
  backward(batch: SparseBatch, gradient: Float32Array, width: number, at: number, rate: number, step: number): void
}

function lengths({ buckets, columns, features }: ShardSize): { readonly table: number; readonly distinct: number } {
  return { table: buckets * columns, distinct: Math.min(buckets, features) }
}

/** Bytes that `shardArrays` takes. */
export function shardBytes(size: ShardSize): number {
  const { table, distinct } = lengths(size)
  return 3 * bytesOf(table) + bytesOf(distinct * size.columns) + bytesOf(distinct) + bytesOf(size.features)
}

export function shardArrays(arena: Arena, size: ShardSize): ShardArrays {
  const { table, distinct } = lengths(size)
  return {
    table: arena.floats(table),
    first: arena.floats(table),
    second: arena.floats(table),
    gradient: arena.floats(distinct * size.columns),
    touched: arena.ints(distinct),
    slots: arena.ints(size.features),
  }
}

/** Batches, sums and gradients that it is given lie in the same memory as its arrays. */
export function shard(memory: SharedMemory, arrays: ShardArrays, columns: number, adamw: AdamW): Shard {
  const kernels = instantiate(KERNELS, memory)
  const { table, first, second, touched, slots } = arrays
  const slotOf = new Int32Array(table.length / columns).fill(-1)

  /** Gives each distinct row of the batch a slot; says how many there are. */
  function findDistinct({ rows, offsets, ids }: SparseBatch): number {
    const end = offsets[rows]!
    let distinct = 0
    for (let j = 0; j < end; j++) {
      const id = ids[j]!
      let slot = slotOf[id]!
      if (slot < 0) {
        slot = distinct++
        slotOf[id] = slot
        touched[slot] = id
      }
      slots[j] = slot
    }
    for (let slot = 0; slot < distinct; slot++) slotOf[touched[slot]!] = -1
    return distinct
  }

  function run(
    kernel: 'gather' | 'scatter',
    { offsets, rows, weights }: SparseBatch,
    ids: Int32Array,
    embeddings: Float32Array,
    dense: Float32Array,
    width: number,
    at: number,
  ): void {
    const addresses = [ids, weights, embeddings].map(({ byteOffset }) => byteOffset)
    kernels[kernel]!(offsets.byteOffset, rows, ...addresses, columns * 4, dense.byteOffset + at * 4, width * 4)
  }

  return {
    forward(batch, out, width, at) {
      for (let row = 0; row < batch.rows; row++) out.fill(0, row * width + at, row * width + at + columns)
      run('gather', batch, batch.ids, table, out, width, at)
    },
    backward(batch, gradient, width, at, rate, step) {
      const distinct = findDistinct(batch)
      run('scatter', batch, slots, arrays.gradient, gradient, width, at)
      const { beta1, beta2, epsilon, weightDecay } = adamw
      const addresses = [touched, arrays.gradient, table, first, second].map(({ byteOffset }) => byteOffset)
      const [lines, sums, ...tables] = addresses as [number, number, number, number, number]
      const moments = [beta1, 1 - beta1, beta2, 1 - beta2]
      const corrections = [rate / (1 - beta1 ** step), 1 / (1 - beta2 ** step), epsilon, 1 - rate * weightDecay]
      kernels['adamw']!(lines, distinct, sums, ...tables, columns * 4, ...moments, ...corrections)
    },
  }
}
