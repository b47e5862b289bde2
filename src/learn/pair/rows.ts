// Relevance rows as the pair kind learns from them, encoded once: dense features, hashed ids, folds by query.
// Reads no file; never looks at a label to make a feature.
import { pairEncoder } from '../../core/pair/encode.ts'
import { FEATURES } from '../../core/pair/features.ts'
import { type Vectors, stems } from '../../core/pair/meaning.ts'
import { type Tables, buildTables } from '../../core/pair/tables.ts'
import { hash32 } from '../../core/random.ts'
import { words } from '../../core/pair/words.ts'
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

const CHUNK = 2000

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
  return hash32(query.trim().toLowerCase(), 77) % FOLDS
}

/** Encodes rows in order; `tick` hears the number done now and then. */
export async function encodeRows(
  rows: readonly PairRow[],
  tick: (done: number) => void | Promise<void>,
): Promise<EncodedRows> {
  const titles = [...new Set(rows.map((row) => row.title))].map(words)
  const queries = [...new Set(rows.map((row) => row.query))].map(words)
  const tables = buildTables(titles)
  const descriptions = [...new Set(rows.map((row) => row.description))].map(words)
  const texts = [...titles, ...queries, ...descriptions].map(stems)
  const vectors = await learnVectors(texts, DEFAULT_VECTORS, () => tick(0))
  const encode = pairEncoder({ tables, vectors })
  const dense = new Float32Array(rows.length * FEATURES.length)
  const starts = new Int32Array(rows.length + 1)
  const ids: Int32Array[] = []
  for (let from = 0; from < rows.length; from += CHUNK) {
    const part = rows.slice(from, from + CHUNK)
    const encoded = encode(part.map(({ query, title, description }) => [query, title, description]))
    dense.set(encoded.dense, from * FEATURES.length)
    for (let row = 1; row <= part.length; row++) starts[from + row] = starts[from]! + encoded.starts[row]!
    ids.push(encoded.ids)
    await tick(from + part.length)
  }
  const all = new Int32Array(starts[rows.length]!)
  let at = 0
  for (const part of ids) {
    all.set(part, at)
    at += part.length
  }
  return {
    tables,
    vectors,
    dense,
    starts,
    ids: all,
    labels: Int32Array.from(rows, (row) => row.label),
    weights: Float32Array.from(rows, (row) => row.weight),
    sources: Int32Array.from(rows, (row) => row.source),
    folds: Uint8Array.from(rows, (row) => foldOf(row.query)),
  }
}
