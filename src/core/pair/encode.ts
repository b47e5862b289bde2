// From normalised texts to the inputs of a pair model's graph, many pairs at a time.
// The same code encodes for training and for serving; a query that repeats is split into words once.
import { FEATURES, type Side, features, pair, side } from './features.ts'
import type { Vectors } from './meaning.ts'
import { sparse } from './sparse.ts'
import type { Tables } from './tables.ts'

/** Version of everything that turns texts into these inputs; part of a model's contract. */
export const PAIR_VERSION = 1

/** Names of the texts a pair model reads, in order; the last may be empty or absent. */
export const PAIR_SEGMENTS = ['query', 'title', 'description'] as const

/** What is known of words: learned with the model, stored beside it. */
export interface Lexicon {
  readonly tables: Tables
  readonly vectors: Vectors
}

export interface EncodedPairs {
  readonly rows: number
  /** [rows × FEATURES.length] */
  readonly dense: Float32Array
  /** Hashed ids of row r: ids[starts[r] .. starts[r + 1]). */
  readonly starts: Int32Array
  readonly ids: Int32Array
}

const NOTHING = side('')
/** Sides kept for reuse; then forgotten all at once. */
const KEPT_MAX = 4096

/** Encodes batches; keeps the last queries' words, so each thread makes its own. Texts are normalised already. */
export function pairEncoder({ tables, vectors }: Lexicon): (inputs: readonly (readonly string[])[]) => EncodedPairs {
  const kept = new Map<string, Side>()
  const query = (text: string): Side => {
    let found = kept.get(text)
    if (found) return found
    if (kept.size >= KEPT_MAX) kept.clear()
    found = side(text)
    kept.set(text, found)
    return found
  }
  return (inputs) => {
    const dense = new Float32Array(inputs.length * FEATURES.length)
    const starts = new Int32Array(inputs.length + 1)
    const ids: number[] = []
    for (let row = 0; row < inputs.length; row++) {
      const [asked = '', title = '', description = ''] = inputs[row]!
      const both = pair(query(asked), side(title), description === '' ? NOTHING : side(description))
      dense.set(features(both, tables, vectors), row * FEATURES.length)
      for (const id of sparse(both)) ids.push(id)
      starts[row + 1] = ids.length
    }
    return { rows: inputs.length, dense, starts, ids: Int32Array.from(ids) }
  }
}

/**
 * Ids as a rectangle [rows × width] for a graph: each row's ids moved up by one, then zeros (bucket 0 of the graph's
 * table holds zeros).
 */
export function paddedIds({ rows, starts, ids }: EncodedPairs): { readonly width: number; readonly data: Int32Array } {
  let width = 1
  for (let row = 0; row < rows; row++) width = Math.max(width, starts[row + 1]! - starts[row]!)
  const data = new Int32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    let to = row * width
    for (let at = starts[row]!; at < starts[row + 1]!; at++) data[to++] = ids[at]! + 1
  }
  return { width, data }
}
