// MinHash with banding: texts whose trigram sets share much get an equal band hash with high probability.
// Broder 1997 (MinHash); Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.4 (banding): two sets of Jaccard
// similarity s share a band with probability 1 − (1 − s^rows)^bands.
import { random } from '../random.ts'
import type { Grams } from './grams.ts'

export interface Banding {
  readonly bands: number
  readonly rows: number
}

/** The same in every process and version: band hashes are keys of shared caches. */
const SEED = 20_260_901

/** Gives `bands` hashes of 32 bits for a set of trigrams. The array is valid until the next call. */
export function bandHasher({ bands, rows }: Banding): (grams: Grams) => Uint32Array {
  const next = random(SEED)
  const size = bands * rows
  const flips = Int32Array.from({ length: size }, () => next() * 2 ** 32)
  const factors = Int32Array.from({ length: size }, () => (next() * 2 ** 32) | 1)
  const least = new Int32Array(size)
  const hashes = new Uint32Array(bands)
  return (grams) => {
    least.fill(0x7fff_ffff)
    for (const gram of grams)
      for (let at = 0; at < size; at++) {
        const product = Math.imul(gram ^ flips[at]!, factors[at]!)
        const hash = product ^ (product >>> 15)
        if (hash < least[at]!) least[at] = hash
      }
    for (let band = 0; band < bands; band++) {
      let hash = band
      for (let row = 0; row < rows; row++) {
        hash = Math.imul(hash ^ least[band * rows + row]!, 0x85eb_ca6b)
        hash ^= hash >>> 13
      }
      hashes[band] = Math.imul(hash, 0xc2b2_ae35) ^ (hash >>> 16)
    }
    return hashes
  }
}
