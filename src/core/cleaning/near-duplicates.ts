// Which texts say nearly the same: groups by character trigrams, found through MinHash bands (Broder 1997) and verified
// by true Jaccard similarity. The groups depend on the texts only, never on their order.
import { grams, jaccard } from '../similar/grams.ts'
import { bandHasher } from '../similar/minhash.ts'

/** Share of the trigrams of two texts that they have in common, from which on they are near-duplicates. */
const SIMILARITY_MIN = 0.8
/** Bands × rows a band: at similarity .8, 98 of 100 pairs meet in a band; at .5, 40 do and are refused. */
const BANDING = { bands: 8, rows: 4 }
/** A text is compared with at most this many of those that share a band: bounds the work for hostile data. */
const COMPARED_MAX = 16

/** The group of each text, normalised; groups are numbered in the order of their least text. */
export function nearDuplicates(texts: readonly string[]): Int32Array {
  const distinct = [...new Set(texts)].sort()
  const parent = Int32Array.from(distinct, (_, index) => index)
  const trigrams = distinct.map(grams)
  const hashes = bandHasher(BANDING)
  const buckets = Array.from({ length: BANDING.bands }, () => new Map<number, number[]>())
  for (let text = 0; text < distinct.length; text++) {
    for (const [band, hash] of hashes(trigrams[text]!).entries()) {
      const met = buckets[band]!.get(hash) ?? []
      if (met.length === 0) buckets[band]!.set(hash, met)
      let alone = true
      for (const other of met) {
        const root = rootOf(parent, other)
        const same = root === rootOf(parent, text)
        if (!same && jaccard(trigrams[other]!, trigrams[text]!) < SIMILARITY_MIN) continue
        alone = false
        const [low, high] = ordered(root, rootOf(parent, text))
        parent[high] = low
      }
      if (alone && met.length < COMPARED_MAX) met.push(text)
    }
  }
  const numbers = new Map<number, number>()
  const groupOf = new Map<string, number>()
  distinct.forEach((text, index) => {
    const root = rootOf(parent, index)
    if (!numbers.has(root)) numbers.set(root, numbers.size)
    groupOf.set(text, numbers.get(root)!)
  })
  return Int32Array.from(texts, (text) => groupOf.get(text)!)
}

function rootOf(parent: Int32Array, index: number): number {
  let root = index
  while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!
  return root
}

function ordered(a: number, b: number): readonly [number, number] {
  return a < b ? [a, b] : [b, a]
}
