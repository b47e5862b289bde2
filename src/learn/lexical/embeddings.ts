// The sparse half of the lexical model: a table of embeddings, a row a feature.
// Gather and weighted sum forwards, scatter backwards, RMSProp on the rows of a batch only.
// Deterministic: sums run in the order of the batch.
import { bytesOf, instantiate } from '../simd.ts'
import { KERNELS } from './kernels.ts'
import type { AdamW } from '../adamw.ts'
import type { Arena, KernelMemory } from '../simd.ts'

/** A batch in compressed rows: features of row r lie at [offsets[r], offsets[r+1]). */
export interface SparseBatch {
  rows: number
  readonly offsets: Int32Array
  readonly ids: Int32Array
  readonly weights: Float32Array
}

/** What the table works on, all in one memory. */
export interface EmbeddingArrays {
  /** [buckets × columns], row-major. */
  readonly table: Float32Array<ArrayBuffer>
  /** Means of squared gradients, [buckets × 4] a block. */
  readonly squares: readonly Float32Array[]
  /** Gradient of the distinct rows of a batch, the ids of those rows, and for each feature of the batch its row here. */
  readonly gradient: Float32Array
  readonly touched: Int32Array
  readonly slots: Int32Array
}

/** Columns whose gradients are of one size. */
export interface Block {
  /** A multiple of four. */
  readonly columns: number
  /**
   * What the mean squares of a row keep each time that the row is met, in (0, 1). The first time they are (1 − keep) of
   * the square: a word met late takes a first step of rate / √(1 − keep).
   */
  readonly keep: number
}

export interface EmbeddingsSize {
  readonly buckets: number
  /** A multiple of eight. */
  readonly columns: number
  /** Beside each other, all columns in all. */
  readonly blocks: readonly Block[]
  /** Most features of a batch. */
  readonly features: number
}

export interface Embeddings {
  /** Writes the sums of each row's embeddings into out [rows × columns]. */
  forward(batch: SparseBatch, out: Float32Array): void
  /** Folds the gradient of those sums into the rows of the batch. Steps count from 1. */
  backward(batch: SparseBatch, gradient: Float32Array, rate: number, step: number): void
}

/** Of a kernel. */
const LANES = 4

function lengths({ buckets, columns, features }: EmbeddingsSize) {
  return { table: buckets * columns, squares: buckets * LANES, distinct: Math.min(buckets, features) }
}

/** Bytes that `embeddingArrays` takes. */
export function embeddingBytes(size: EmbeddingsSize): number {
  const { table, squares, distinct } = lengths(size)
  const own = bytesOf(table) + size.blocks.length * bytesOf(squares)
  return own + bytesOf(distinct * size.columns) + bytesOf(distinct) + bytesOf(size.features)
}

export function embeddingArrays(arena: Arena, size: EmbeddingsSize): EmbeddingArrays {
  const { table, squares, distinct } = lengths(size)
  return {
    table: arena.floats(table),
    squares: size.blocks.map(() => arena.floats(squares)),
    gradient: arena.floats(distinct * size.columns),
    touched: arena.ints(distinct),
    slots: arena.ints(size.features),
  }
}

/** Batches, sums and gradients that it is given lie in the same memory as its arrays. */
export function embeddings(
  memory: KernelMemory,
  arrays: EmbeddingArrays,
  { columns, blocks }: EmbeddingsSize,
  adamw: AdamW,
): Embeddings {
  const kernels = instantiate(KERNELS, memory)
  const { table, squares, touched, slots } = arrays
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
    rowsOf: Float32Array,
    dense: Float32Array,
  ): void {
    const addresses = [ids, weights, rowsOf].map(({ byteOffset }) => byteOffset)
    kernels[kernel]!(offsets.byteOffset, rows, ...addresses, columns * 4, dense.byteOffset)
  }

  return {
    forward(batch, out) {
      out.fill(0, 0, batch.rows * columns)
      run('gather', batch, batch.ids, table, out)
    },
    backward(batch, gradient, rate, step) {
      const distinct = findDistinct(batch)
      run('scatter', batch, slots, arrays.gradient, gradient)
      const { epsilon, weightDecay } = adamw
      let at = 0
      blocks.forEach(({ columns: own, keep }, block) => {
        const [from, to] = [arrays.gradient.byteOffset + at * 4, table.byteOffset + at * 4]
        const squared = [keep, ((1 - keep) * LANES) / own]
        const scalars = [...squared, rate, 1 / (1 - keep ** step), epsilon, 1 - rate * weightDecay]
        const places = [touched.byteOffset, distinct, from, to, squares[block]!.byteOffset, own * 4, columns * 4]
        kernels['rmsprop']!(...places, ...scalars)
        at += own
      })
    },
  }
}
