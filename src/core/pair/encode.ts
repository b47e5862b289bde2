// From normalised texts to the inputs of a pair model's graph, many pairs at a time.
// The same code encodes for training and for serving; a query that repeats is split into words once.
import { FEATURES, type Side, features, pair, side } from './features.ts'
import type { Vectors } from './meaning.ts'
import { sparse } from './sparse.ts'
import { STYLE, style, styleIds } from './style.ts'
import type { Tables } from './tables.ts'

/** Version of everything that turns texts into these inputs; part of a model's contract. */
export const PAIR_VERSION = 3

/** Names of the texts a pair model reads, in order; the last may be empty or absent. */
export const PAIR_SEGMENTS = ['query', 'title', 'description'] as const

/** What is known of words: learned with the model, stored beside it. */
export interface Lexicon {
  readonly tables: Tables
  readonly vectors: Vectors
}

/** Hashed ids of row r: ids[starts[r] .. starts[r + 1]). */
export interface HashedRows {
  readonly starts: Int32Array
  readonly ids: Int32Array
}

export interface EncodedPairs {
  readonly rows: number
  /** [rows × FEATURES.length] */
  readonly dense: Float32Array
  readonly crossed: HashedRows
  /** [rows × STYLE.length] */
  readonly style: Float32Array
  readonly styled: HashedRows
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
    const styles = new Float32Array(inputs.length * STYLE.length)
    const crossed = hashed(inputs.length)
    const styled = hashed(inputs.length)
    for (let row = 0; row < inputs.length; row++) {
      const [asked = '', title = '', description = ''] = inputs[row]!
      const both = pair(query(asked), side(title), description === '' ? NOTHING : side(description))
      dense.set(features(both, tables, vectors), row * FEATURES.length)
      styles.set(style(asked, title, description), row * STYLE.length)
      crossed.add(row, sparse(both))
      styled.add(row, styleIds(title, description))
    }
    return { rows: inputs.length, dense, crossed: crossed.done(), style: styles, styled: styled.done() }
  }
}

function hashed(rows: number) {
  const starts = new Int32Array(rows + 1)
  const ids: number[] = []
  return {
    add(row: number, more: readonly number[]): void {
      for (const id of more) ids.push(id)
      starts[row + 1] = ids.length
    },
    done: (): HashedRows => ({ starts, ids: Int32Array.from(ids) }),
  }
}

/** Inputs of a pair model's graph, by name: see `pairGraph`. */
export function pairFeeds({ rows, dense, crossed, style: styles, styled }: EncodedPairs) {
  const floats = (data: Float32Array) => ({ dtype: 'float32' as const, dims: [rows, data.length / rows], data })
  const ids = (of: HashedRows) => {
    const { width, data } = paddedIds(of)
    return { dtype: 'int32' as const, dims: [rows, width], data }
  }
  return { dense: floats(dense), ids: ids(crossed), style: floats(styles), styleIds: ids(styled) }
}

/**
 * Ids as a rectangle [rows × width] for a graph: each row's ids moved up by one, then zeros (bucket 0 of the graph's
 * table holds zeros).
 */
function paddedIds({ starts, ids }: HashedRows): { readonly width: number; readonly data: Int32Array } {
  const rows = starts.length - 1
  let width = 1
  for (let row = 0; row < rows; row++) width = Math.max(width, starts[row + 1]! - starts[row]!)
  const data = new Int32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    let to = row * width
    for (let at = starts[row]!; at < starts[row + 1]!; at++) data[to++] = ids[at]! + 1
  }
  return { width, data }
}
