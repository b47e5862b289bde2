// What a corpus says about a word: how rare it is, how often it begins a title (brands do), how often it is the head.
// Hashed and quantised to a byte each, so that the whole table is small and its lookup one array read. Never grows.
import { hash32 } from '../random.ts'
import type { Text } from './words.ts'

/** Buckets of each table; a power of two. */
export const TABLE_BUCKETS = 65_536

/** idf of a word that no title had. */
const UNSEEN = 255

export interface Tables {
  /** idf in [0, 1] × 254, 0 = in every title; 255 = never seen. */
  readonly idf: Uint8Array
  /** Share of a word's occurrences that open a title × 255. */
  readonly first: Uint8Array
  /** Share of a word's occurrences that are a title's head noun × 255. */
  readonly head: Uint8Array
}

export function bucket(stem: string): number {
  return hash32(stem) & (TABLE_BUCKETS - 1)
}

/** Counts distinct texts (give each title once). */
export function buildTables(texts: Iterable<Text>): Tables {
  const documents = new Uint32Array(TABLE_BUCKETS)
  const firsts = new Uint32Array(TABLE_BUCKETS)
  const heads = new Uint32Array(TABLE_BUCKETS)
  let count = 0
  for (const text of texts) {
    count++
    const seen = new Set<number>()
    for (let at = 0; at < text.words.length; at++) {
      const slot = bucket(text.words[at]!.stem)
      if (at === 0) firsts[slot]!++
      if (at === text.head) heads[slot]!++
      if (!seen.has(slot)) documents[slot]!++
      seen.add(slot)
    }
  }
  const top = Math.log(1 + Math.max(1, count))
  const tables: Tables = {
    idf: new Uint8Array(TABLE_BUCKETS).fill(UNSEEN),
    first: new Uint8Array(TABLE_BUCKETS),
    head: new Uint8Array(TABLE_BUCKETS),
  }
  for (let slot = 0; slot < TABLE_BUCKETS; slot++) {
    const seen = documents[slot]!
    if (seen === 0) continue
    // Once and twice count alike: a title word of a row that was trained on was seen at least once, others were not.
    tables.idf[slot] = Math.round((254 * Math.log((1 + count) / (1 + Math.max(2, seen)))) / top)
    tables.first[slot] = Math.min(255, Math.round((255 * firsts[slot]!) / (documents[slot]! + 2)))
    tables.head[slot] = Math.min(255, Math.round((255 * heads[slot]!) / (documents[slot]! + 2)))
  }
  return tables
}
