// The texts seen before that are most similar, in this process's memory: found by MinHash bands, measured exactly.
// Must never hold more than its bound: the oldest text makes room for the newest.
import { bandHasher } from './minhash.ts'
import { similarity } from './signature.ts'
import type { Banding } from './minhash.ts'
import type { Signature } from './signature.ts'

export interface Neighbour<T> {
  readonly signature: Signature
  readonly value: T
  /** See `similarity`; at least the threshold asked for. */
  readonly similarity: number
}

export interface NeighboursOptions extends Banding {
  /** Texts held; the oldest goes first. */
  readonly entries_max: number
}

export interface Neighbours<T> {
  /** Texts at least `threshold` similar, most similar first, newest first among equals. */
  find(signature: Signature, threshold: number): Neighbour<T>[]
  add(signature: Signature, value: T): void
  /** The signature's band hashes: what a shared store finds it by. */
  bands(signature: Signature): Uint32Array
}

/** Texts that a bucket of a band names; the newest replaces the oldest of its bucket. */
const WAYS = 4

interface Held<T> {
  readonly signature: Signature
  readonly value: T
  readonly age: number
}

export function neighbours<T>({ entries_max, ...banding }: NeighboursOptions): Neighbours<T> {
  const { bands } = banding
  const hashes = bandHasher(banding)
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(entries_max, 2)))
  /** Slot + 1 by band, bucket and way; 0 is none. */
  const table = new Int32Array(bands * buckets * WAYS)
  const held: Held<T>[] = []
  /** By slot: the number of the question that last looked at it. */
  const lookedAt = new Float64Array(entries_max)
  let added = 0
  let question = 0

  const firstOf = (band: number, hash: number) => (band * buckets + (hash & (buckets - 1))) * WAYS

  return {
    find(asked, threshold) {
      question++
      const near: (Neighbour<T> & Held<T>)[] = []
      const bandHashes = hashes(asked.all)
      for (let band = 0; band < bands; band++) {
        const first = firstOf(band, bandHashes[band]!)
        for (let way = first; way < first + WAYS; way++) {
          const slot = table[way]! - 1
          if (slot < 0 || lookedAt[slot] === question) continue
          lookedAt[slot] = question
          const other = held[slot]!
          const measured = similarity(asked, other.signature, threshold)
          if (measured >= threshold) near.push({ ...other, similarity: measured })
        }
      }
      return near.sort((a, b) => b.similarity - a.similarity || b.age - a.age)
    },
    add(signature, value) {
      const slot = added % entries_max
      held[slot] = { signature, value, age: added++ }
      const bandHashes = hashes(signature.all)
      for (let band = 0; band < bands; band++) {
        const first = firstOf(band, bandHashes[band]!)
        table.copyWithin(first + 1, first, first + WAYS - 1)
        table[first] = slot + 1
      }
    },
    bands: (signature) => hashes(signature.all).slice(),
  }
}
