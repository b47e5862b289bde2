// Which texts say nearly the same: groups by character trigrams, found through MinHash bands (Broder 1997) and verified
// by true Jaccard similarity. The groups depend on the texts only, never on their order.
import { hash32 } from '../random.ts'

/** Share of the trigrams of two texts that they have in common, from which on they are near-duplicates. */
const SIMILARITY_MIN = 0.8
/** Bands × rows a band: at similarity .8, 98 of 100 pairs meet in a band; at .5, 40 do and are refused. */
const BANDS = 8
const BAND_ROWS = 4
/** A text is compared with at most this many of those that share a band: bounds the work for hostile data. */
const COMPARED_MAX = 16

/** The group of each text; groups are numbered in the order of their least text. */
export function nearDuplicates(texts: readonly string[]): Int32Array {
  const distinct = [...new Set(texts)].sort()
  const parent = Int32Array.from(distinct, (_, index) => index)
  const grams = distinct.map(trigrams)
  const signature = new Uint32Array(BANDS * BAND_ROWS)
  const buckets = Array.from({ length: BANDS }, () => new Map<number, number[]>())
  for (let text = 0; text < distinct.length; text++) {
    sign(grams[text]!, signature)
    for (let band = 0; band < BANDS; band++) {
      const key = bandKey(signature, band)
      const met = buckets[band]!.get(key) ?? []
      if (met.length === 0) buckets[band]!.set(key, met)
      let alone = true
      for (const other of met) {
        const root = rootOf(parent, other)
        const same = root === rootOf(parent, text)
        if (!same && jaccard(grams[other]!, grams[text]!) < SIMILARITY_MIN) continue
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

/** Sorted distinct hashes of the trigrams of a text and its boundaries. */
function trigrams(text: string): Uint32Array {
  const padded = ` ${text} `
  const hashes = new Uint32Array(Math.max(padded.length - 2, 0))
  for (let at = 0; at < hashes.length; at++) {
    const pair = Math.imul(padded.charCodeAt(at), 0x9e37_79b1) ^ padded.charCodeAt(at + 1)
    const whole = Math.imul(pair, 0x85eb_ca77) ^ padded.charCodeAt(at + 2)
    hashes[at] = Math.imul(whole ^ (whole >>> 15), 0xc2b2_ae3d)
  }
  hashes.sort()
  let size = 0
  for (const hash of hashes) if (size === 0 || hash !== hashes[size - 1]) hashes[size++] = hash
  return hashes.slice(0, size)
}

/** MinHash by multiply-and-add: one odd factor and one summand a place. */
const FACTORS = Uint32Array.from({ length: BANDS * BAND_ROWS }, (_, place) => hash32(`factor ${place}`) | 1)
const SUMMANDS = Uint32Array.from({ length: BANDS * BAND_ROWS }, (_, place) => hash32(`summand ${place}`))

function sign(grams: Uint32Array, signature: Uint32Array): void {
  signature.fill(0xffff_ffff)
  for (const gram of grams) {
    for (let place = 0; place < signature.length; place++) {
      const mixed = (Math.imul(gram, FACTORS[place]!) + SUMMANDS[place]!) >>> 0
      if (mixed < signature[place]!) signature[place] = mixed
    }
  }
}

function bandKey(signature: Uint32Array, band: number): number {
  let key = 0
  for (let at = band * BAND_ROWS; at < (band + 1) * BAND_ROWS; at++) key = Math.imul(key ^ signature[at]!, 0x0100_0193)
  return key
}

function jaccard(a: Uint32Array, b: Uint32Array): number {
  let common = 0
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const difference = a[i]! - b[j]!
    if (difference === 0) common++
    if (difference <= 0) i++
    if (difference >= 0) j++
  }
  return common / Math.max(a.length + b.length - common, 1)
}

function rootOf(parent: Int32Array, index: number): number {
  let root = index
  while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!
  return root
}

function ordered(a: number, b: number): readonly [number, number] {
  return a < b ? [a, b] : [b, a]
}
