// The nearest of the texts seen before, in this process's memory, by MinHash bands and then by true Jaccard similarity.
// Must never hold more than its bounds: the oldest text makes room for the newest.
import { jaccard } from './grams.ts'
import { bandHasher } from './minhash.ts'
import type { Grams } from './grams.ts'
import type { Banding } from './minhash.ts'

export interface Neighbour<T> {
  readonly value: T
  /** Jaccard similarity of the trigrams, in [0, 1]. */
  readonly similarity: number
}

export interface NeighboursOptions extends Banding {
  /** Texts held; the oldest goes first. */
  readonly entries_max: number
}

export interface Neighbours<T> {
  /** Texts at least `threshold` similar, most similar first. */
  find(grams: Grams, threshold: number): Neighbour<T>[]
  add(grams: Grams, value: T): void
  readonly size: number
}

/** Texts a bucket of a band names; the newest replace the oldest of their bucket. */
const WAYS = 4

export function neighbours<T>({ entries_max, ...banding }: NeighboursOptions): Neighbours<T> {
  const { bands } = banding
  const hashes = bandHasher(banding)
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(entries_max, 2)))
  /** Slot + 1 by band, bucket and way; 0 is none. */
  const table = new Int32Array(bands * buckets * WAYS)
  const held: { grams: Grams; value: T }[] = []
  let next = 0
  let asked = 0
  const seen = new Int32Array(entries_max)

  const firstOf = (band: number, hash: number) => (band * buckets + (hash & (buckets - 1))) * WAYS

  return {
    get size() {
      return held.length
    },
    find(grams, threshold) {
      asked++
      const near: Neighbour<T>[] = []
      const bandHashes = hashes(grams)
      for (let band = 0; band < bands; band++) {
        const first = firstOf(band, bandHashes[band]!)
        for (let way = first; way < first + WAYS; way++) {
          const slot = table[way]! - 1
          if (slot < 0 || seen[slot] === asked) continue
          seen[slot] = asked
          const { grams: other, value } = held[slot]!
          const [less, more] = grams.length < other.length ? [grams, other] : [other, grams]
          if (less.length < threshold * more.length) continue
          const similarity = jaccard(grams, other)
          if (similarity >= threshold) near.push({ value, similarity })
        }
      }
      return near.sort((a, b) => b.similarity - a.similarity)
    },
    add(grams, value) {
      held[next] = { grams, value }
      const bandHashes = hashes(grams)
      for (let band = 0; band < bands; band++) {
        const first = firstOf(band, bandHashes[band]!)
        table.copyWithin(first + 1, first, first + WAYS - 1)
        table[first] = next + 1
      }
      next = (next + 1) % entries_max
    },
  }
}
