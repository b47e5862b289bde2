// The sparse half of the lexical model: a table of embeddings, a row a feature.
// Gather and weighted sum forwards; backwards the gradient of one row at a time, RMSProp on the rows of a batch only.
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
  /** The batch in compressed columns: features of the table's row touched[i] lie at [offsets[i], offsets[i + 1]). */
  readonly touched: Int32Array
  readonly offsets: Int32Array
  readonly rows: Int32Array
  readonly weights: Float32Array
  /** Of one row of the table, [columns]. */
  readonly gradient: Float32Array
}

/** Columns whose gradients are of one size. */
export interface Block {
  /** A multiple of eight. */
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
/** Kernels take so many columns at a time at least. */
const STEP = 8

function lengths({ buckets, columns, features }: EmbeddingsSize) {
  return { table: buckets * columns, squares: buckets * LANES, distinct: Math.min(buckets, features) }
}

/** Bytes that `embeddingArrays` takes. */
export function embeddingBytes(size: EmbeddingsSize): number {
  const { table, squares, distinct } = lengths(size)
  const own = bytesOf(table) + size.blocks.length * bytesOf(squares)
  return own + bytesOf(distinct) + bytesOf(distinct + 1) + 2 * bytesOf(size.features) + bytesOf(size.columns)
}

export function embeddingArrays(arena: Arena, size: EmbeddingsSize): EmbeddingArrays {
  const { table, squares, distinct } = lengths(size)
  return {
    table: arena.floats(table),
    squares: size.blocks.map(() => arena.floats(squares)),
    touched: arena.ints(distinct),
    offsets: arena.ints(distinct + 1),
    rows: arena.ints(size.features),
    weights: arena.floats(size.features),
    gradient: arena.floats(size.columns),
  }
}

/** Batches, sums and gradients that it is given lie in the same memory as its arrays. */
export function embeddings(
  memory: KernelMemory,
  arrays: EmbeddingArrays,
  { columns, blocks }: EmbeddingsSize,
  adamw: AdamW,
): Embeddings {
  if ([...blocks.map((block) => block.columns), columns].some((count) => count % STEP !== 0))
    throw new RangeError(`columns come in multiples of ${STEP}`)
  const kernels = instantiate(KERNELS, memory)
  const { table, squares, touched } = arrays
  /** While a batch is turned: how many features a row of the table has there, then where its next one goes. */
  const places = new Int32Array(table.length / columns)

  /** Turns a batch from compressed rows to compressed columns, in its order; says how many columns there are. */
  function turn({ rows, offsets, ids, weights }: SparseBatch): number {
    const end = offsets[rows]!
    let distinct = 0
    for (let j = 0; j < end; j++) if (places[ids[j]!]!++ === 0) touched[distinct++] = ids[j]!
    let at = 0
    for (let column = 0; column < distinct; column++) {
      const id = touched[column]!
      arrays.offsets[column] = at
      at += places[id]!
      places[id] = arrays.offsets[column]!
    }
    arrays.offsets[distinct] = at
    for (let row = 0; row < rows; row++)
      for (let j = offsets[row]!; j < offsets[row + 1]!; j++) {
        const place = places[ids[j]!]!++
        arrays.rows[place] = row
        arrays.weights[place] = weights[j]!
      }
    for (let column = 0; column < distinct; column++) places[touched[column]!] = 0
    return distinct
  }

  return {
    forward({ rows, offsets, ids, weights }, out) {
      const addresses = [ids, weights, table].map(({ byteOffset }) => byteOffset)
      kernels['gather']!(offsets.byteOffset, rows, ...addresses, columns * 4, out.byteOffset)
    },
    backward(batch, gradient, rate, step) {
      const distinct = turn(batch)
      const turned = [arrays.offsets, arrays.rows, arrays.weights].map(({ byteOffset }) => byteOffset)
      const { epsilon, weightDecay } = adamw
      let at = 0
      blocks.forEach(({ columns: own, keep }, block) => {
        const from = at * 4
        const addresses = [gradient.byteOffset + from, arrays.gradient.byteOffset, table.byteOffset + from]
        const sizes = [squares[block]!.byteOffset, own * 4, columns * 4]
        const scalars = [
          keep,
          ((1 - keep) * LANES) / own,
          rate,
          1 / (1 - keep ** step),
          epsilon,
          1 - rate * weightDecay,
        ]
        kernels['rmsprop']!(touched.byteOffset, distinct, ...turned, ...addresses, ...sizes, ...scalars)
        at += own
      })
    },
  }
}
