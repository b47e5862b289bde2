// Relevance rows as the pair kind learns from them, encoded once: numbers, hashed ids, folds by query.
// Reads no file; never looks at a label to make a feature.
import { type HashedRows, pairEncoder } from '../../core/pair/encode.ts'
import { FEATURES } from '../../core/pair/features.ts'
import { type Vectors, stems } from '../../core/pair/meaning.ts'
import { STYLE } from '../../core/pair/style.ts'
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
  /** Shares of the classes, where the label was cut from a finer grade. Transformers learn from them; trees gain nothing. */
  readonly shares?: Float32Array
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
  /** The words and crossings of the pair: rows × FEATURES.length, and hashed. */
  readonly dense: Float32Array
  readonly crossed: HashedRows
  /** How the product is written: rows × STYLE.length, and hashed. */
  readonly style: Float32Array
  readonly styled: HashedRows
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
  const styles = new Float32Array(rows.length * STYLE.length)
  const crossed: HashedRows[] = []
  const styled: HashedRows[] = []
  for (let from = 0; from < rows.length; from += CHUNK) {
    const part = rows.slice(from, from + CHUNK)
    const encoded = encode(part.map(({ query, title, description }) => [query, title, description]))
    dense.set(encoded.dense, from * FEATURES.length)
    styles.set(encoded.style, from * STYLE.length)
    crossed.push(encoded.crossed)
    styled.push(encoded.styled)
    await tick(from + part.length)
  }
  return {
    tables,
    vectors,
    dense,
    crossed: together(crossed),
    style: styles,
    styled: together(styled),
    labels: Int32Array.from(rows, (row) => row.label),
    weights: Float32Array.from(rows, (row) => row.weight),
    sources: Int32Array.from(rows, (row) => row.source),
    folds: Uint8Array.from(rows, (row) => foldOf(row.query)),
  }
}

function together(parts: readonly HashedRows[]): HashedRows {
  const rows = parts.reduce((sum, { starts }) => sum + starts.length - 1, 0)
  const starts = new Int32Array(rows + 1)
  const ids = new Int32Array(parts.reduce((sum, part) => sum + part.ids.length, 0))
  let row = 0
  for (const part of parts) {
    const from = starts[row]!
    ids.set(part.ids, from)
    for (let at = 1; at < part.starts.length; at++) starts[++row] = from + part.starts[at]!
  }
  return { starts, ids }
}
