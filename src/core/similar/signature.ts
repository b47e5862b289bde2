// An item's texts as the similarity cache compares them: one set of trigrams a part, and one of all for finding.
import { facts } from './clash.ts'
import { grams, jaccard } from './grams.ts'
import type { Facts } from './clash.ts'
import type { Grams } from './grams.ts'

/**
 * `together`: the segments are one text (a title and its brand). `each`: every segment must be similar by itself (a query
 * and a product: a short query would drown in a long title).
 */
export type Compare = 'together' | 'each'

export interface Signature {
  readonly parts: readonly Grams[]
  /** Trigrams of all parts, told apart by part. */
  readonly all: Grams
  /** About what it costs the heap. */
  readonly bytes: number
  /** What the texts state; found out when asked for. */
  facts(): Facts
}

/** What a signature and its place among others cost beside trigrams and text: objects, arrays, an answer, an id. */
const OVERHEAD_BYTES = 900

/** `texts`: an item's segments, normalised (core/text/normalise.ts). */
export function signature(texts: readonly string[], compare: Compare): Signature {
  const parts = (compare === 'together' ? [texts.join(' ')] : texts).map(grams)
  const all = parts.length === 1 ? parts[0]! : union(parts)
  const text = texts.join(' , ')
  let stated: Facts | undefined
  return {
    parts,
    all,
    bytes: OVERHEAD_BYTES + 2 * text.length + 4 * all.length * (parts.length === 1 ? 1 : 2),
    facts: () => (stated ??= facts(text)),
  }
}

/**
 * Jaccard similarity of the least similar part, in [0, 1]; parts that are empty on both sides are alike, but texts without
 * a word are like nothing. May be 0 where it is less than `atLeast`.
 */
export function similarity(a: Signature, b: Signature, atLeast = 0): number {
  if (a.all.length === 0 || b.all.length === 0) return 0
  let least = 1
  for (let part = 0; part < a.parts.length; part++) {
    const one = a.parts[part]!
    const other = b.parts[part]!
    if (one.length + other.length === 0) continue
    if (Math.min(one.length, other.length) < atLeast * Math.max(one.length, other.length)) return 0
    least = Math.min(least, jaccard(one, other))
  }
  return least
}

function union(parts: readonly Grams[]): Grams {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  parts.forEach((part, index) => {
    for (const gram of part) all[at++] = gram ^ Math.imul(index, 0x9e37_79b1)
  })
  return all.sort()
}
