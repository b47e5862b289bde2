// The texts seen before that are most similar, in this process's memory: found by MinHash bands, measured exactly.
// Must never hold more than its two bounds: the oldest text makes room for the newest.
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
  /** Texts held. Each costs its bytes (core/similar/signature.ts) and 16 bytes a band in the table of bands. */
  readonly entries_max: number
  /** Bytes held, the table of bands aside. */
  readonly bytes_max: number
}

export interface Neighbours<T> {
  /** Texts at least `threshold` similar, most similar first, newest first among equals. */
  find(signature: Signature, threshold: number): Neighbour<T>[]
  get(id: string): T | undefined
  /** Equal texts have equal ids: what the id named before is replaced. A text that is more than all bytes is not kept. */
  add(id: string, signature: Signature, value: T): void
  /** The signature's band hashes: what a shared store finds it by. */
  bands(signature: Signature): Uint32Array
}

/** Texts that a bucket of a band names; the newest replaces the oldest of its bucket. */
const WAYS = 4

interface Held<T> {
  readonly id: string
  readonly signature: Signature
  readonly value: T
  readonly age: number
}

export function neighbours<T>({ entries_max, bytes_max, ...banding }: NeighboursOptions): Neighbours<T> {
  const { bands } = banding
  const hashes = bandHasher(banding)
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(entries_max, 2)))
  /** Slot + 1 by band, bucket and way; 0 is none. A slot that was given to another text is still named here. */
  const table = new Int32Array(bands * buckets * WAYS)
  /** A ring: the slots from `oldest` to before `next`, modulo its length; those of replaced texts are empty. */
  const held: (Held<T> | undefined)[] = []
  const slots = new Map<string, number>()
  /** By slot: the number of the question that last looked at it. */
  const lookedAt = new Float64Array(entries_max)
  let bytes = 0
  let oldest = 0
  let next = 0
  let question = 0

  const firstOf = (band: number, hash: number) => (band * buckets + (hash & (buckets - 1))) * WAYS

  function empty(slot: number): void {
    const { id, signature } = held[slot]!
    bytes -= signature.bytes
    held[slot] = undefined
    slots.delete(id)
  }

  /** Puts the slot before the others of its bucket. */
  function nameFirst(first: number, slot: number): void {
    let last = first + WAYS - 1
    for (let way = first; way < last; way++) if (table[way] === slot + 1) last = way
    table.copyWithin(first + 1, first, last)
    table[first] = slot + 1
  }

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
          const other = held[slot]
          if (other === undefined) continue
          const measured = similarity(asked, other.signature, threshold)
          if (measured >= threshold) near.push({ ...other, similarity: measured })
        }
      }
      return near.sort((a, b) => b.similarity - a.similarity || b.age - a.age)
    },
    get(id) {
      const slot = slots.get(id)
      return slot === undefined ? undefined : held[slot]!.value
    },
    add(id, signature, value) {
      const before = slots.get(id)
      if (before !== undefined) empty(before)
      if (signature.bytes > bytes_max) return
      for (; next - oldest >= entries_max || bytes + signature.bytes > bytes_max; oldest++)
        if (held[oldest % entries_max] !== undefined) empty(oldest % entries_max)
      const slot = next % entries_max
      held[slot] = { id, signature, value, age: next++ }
      slots.set(id, slot)
      bytes += signature.bytes
      const bandHashes = hashes(signature.all)
      for (let band = 0; band < bands; band++) nameFirst(firstOf(band, bandHashes[band]!), slot)
    },
    bands: (signature) => hashes(signature.all).slice(),
  }
}
