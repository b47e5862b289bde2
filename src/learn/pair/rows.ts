// Relevance rows as the pair kind learns from them, encoded once: dense features, hashed ids, folds by query.
// Reads no file; never looks at a label to make a feature.
import { FEATURES, features, pair, side } from '../../core/pair/features.ts'
import { type Vectors, stems } from '../../core/pair/meaning.ts'
import { sparse } from '../../core/pair/sparse.ts'
import { type Tables, buildTables, hash } from '../../core/pair/tables.ts'
import { DEFAULT_VECTORS, learnVectors } from './vectors.ts'

export interface PairRow {
  readonly query: string
  readonly title: string
  /** '' where there is none. */
  readonly description: string
  /** Index in the label set. */
  readonly label: number
  /** Index of the file the row came from. */
  readonly source: number
  readonly weight: number
}

/** Rows are split by a hash of the query into this many folds, so that no near twin crosses over. */
export const FOLDS = 5

export interface EncodedRows {
  readonly tables: Tables
  readonly vectors: Vectors
  /** rows × FEATURES.length. */
  readonly dense: Float32Array
  readonly starts: Int32Array
  readonly ids: Int32Array
  readonly labels: Int32Array
  readonly weights: Float32Array
  readonly sources: Int32Array
  readonly folds: Uint8Array
}

export function foldOf(query: string): number {
  return hash(query.trim().toLowerCase(), 77) % FOLDS
}

/** Encodes rows in order; `tick` hears the number done now and then. */
export async function encodeRows(
  rows: readonly PairRow[],
  tick: (done: number) => void | Promise<void>,
): Promise<EncodedRows> {
  const titles = new Map(rows.map((row) => [row.title, side(row.title)]))
  const queries = new Map(rows.map((row) => [row.query, side(row.query)]))
  const nothing = side('')
  const tables = buildTables([...titles.values()].map(({ text }) => text))
  const texts = [...titles.values(), ...queries.values()].map(({ text }) => stems(text))
  const vectors = await learnVectors(texts, DEFAULT_VECTORS, () => tick(0))
  const dense = new Float32Array(rows.length * FEATURES.length)
  const starts = new Int32Array(rows.length + 1)
  const ids: number[] = []
  for (const [at, row] of rows.entries()) {
    const description = row.description === '' ? nothing : side(row.description)
    const both = pair(queries.get(row.query)!, titles.get(row.title)!, description)
    dense.set(features(both, tables, vectors), at * FEATURES.length)
    for (const id of sparse(both)) ids.push(id)
    starts[at + 1] = ids.length
    if (at % 2000 === 0) await tick(at)
  }
  return {
    tables,
    vectors,
    dense,
    starts,
    ids: Int32Array.from(ids),
    labels: Int32Array.from(rows, (row) => row.label),
    weights: Float32Array.from(rows, (row) => row.weight),
    sources: Int32Array.from(rows, (row) => row.source),
    folds: Uint8Array.from(rows, (row) => foldOf(row.query)),
  }
}
