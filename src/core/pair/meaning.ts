// Features of what words mean: each known word has a small vector learned from which words stand together in titles.
// Unknown words have none and are left out. Numbers only, in the order of MEANING; cosines, or -2 where there is nothing.
import { hash32 } from '../random.ts'
import type { Tables } from './tables.ts'
import type { Alignment } from './match.ts'
import { rarity } from './overlap.ts'
import type { Text, Word } from './words.ts'

export const MEANING = [
  'textsAlike',
  'meaningCovered',
  'meaningMin',
  'missedMeaningMean',
  'missedMeaningMin',
  'headsAlike',
  'lastMeaning',
  'textHeadToQuery',
  'queryHeadToText',
] as const

/** Unit vectors of known words, scaled to bytes: row r is bytes[r × size .. (r + 1) × size) / 127 (not exactly unit). */
export interface Vectors {
  readonly size: number
  /** hash32(stem) → row. */
  readonly rows: ReadonlyMap<number, number>
  readonly bytes: Int8Array
}

const NOTHING = -2

interface Side {
  /** Row of each word; -1 unknown. */
  readonly rows: Int32Array
  /** Rarity-weighted sum, and its length. */
  readonly sum: Float64Array
  readonly length: number
}

function sideOf(text: Text, { size, rows: known, bytes }: Vectors, tables: Tables): Side {
  const rows = new Int32Array(text.words.length)
  const sum = new Float64Array(size)
  for (let at = 0; at < rows.length; at++) {
    const row = known.get(hash32(text.words[at]!.stem)) ?? -1
    rows[at] = row
    if (row < 0) continue
    const weight = rarity(text.words[at]!, tables)
    for (let d = 0; d < size; d++) sum[d]! += weight * bytes[row * size + d]!
  }
  let square = 0
  for (let d = 0; d < size; d++) square += sum[d]! * sum[d]!
  return { rows, sum, length: Math.sqrt(square) }
}

/** `ahead` aligns query to text: aligned words mean the same whatever their vectors say. */
export function meaning(query: Text, text: Text, ahead: Alignment, tables: Tables, vectors: Vectors): number[] {
  const { size, bytes } = vectors
  const q = sideOf(query, vectors, tables)
  const t = sideOf(text, vectors, tables)
  const cosine = (a: number, b: number): number => {
    let dot = 0
    for (let d = 0; d < size; d++) dot += bytes[a * size + d]! * bytes[b * size + d]!
    return dot / (127 * 127)
  }
  const toSum = (row: number, side: Side): number => {
    if (row < 0 || side.length === 0) return NOTHING
    let dot = 0
    for (let d = 0; d < size; d++) dot += bytes[row * size + d]! * side.sum[d]!
    return dot / (127 * side.length)
  }
  let weight = 0
  let covered = 0
  let least = Infinity
  let last = NOTHING
  let missed = 0
  let missedSum = 0
  let missedMin = Infinity
  for (let i = 0; i < q.rows.length; i++) {
    const row = q.rows[i]!
    const aligned = ahead.partner[i]! >= 0
    if (row < 0 && !aligned) continue
    let best = aligned ? 1 : NOTHING
    if (!aligned) for (const other of t.rows) if (other >= 0) best = Math.max(best, cosine(row, other))
    if (best === NOTHING) continue
    const idf = rarity(query.words[i]!, tables)
    weight += idf
    covered += idf * best
    least = Math.min(least, best)
    last = best
    if (aligned) continue
    missed++
    missedSum += best
    missedMin = Math.min(missedMin, best)
  }
  let dot = 0
  for (let d = 0; d < size; d++) dot += q.sum[d]! * t.sum[d]!
  const head = (side: Side, of: Text): number => (of.head < 0 ? -1 : side.rows[of.head]!)
  const queryHead = head(q, query)
  const textHead = head(t, text)
  return [
    q.length && t.length ? dot / (q.length * t.length) : NOTHING,
    weight ? covered / weight : NOTHING,
    least === Infinity ? NOTHING : least,
    missed ? missedSum / missed : 2,
    missed ? missedMin : 2,
    queryHead >= 0 && textHead >= 0 ? cosine(queryHead, textHead) : NOTHING,
    last,
    toSum(textHead, q),
    toSum(queryHead, t),
  ]
}

/** The words whose vectors are asked for. */
export function stems(text: Text): string[] {
  return text.words.map((word: Word) => word.stem)
}
