// What a lexical model sees of a text: hashed word 1–2-grams, which words come first, character 3–5-grams within words.
// Pure and fast: no string is cut or allocated per gram; hashes are rolled over code units.
// A change in what is hashed changes FEATURES_VERSION: weights are only valid for the features they were trained on.

export const FEATURES_VERSION = 1

export interface FeatureSettings {
  /** Any 32-bit integer; part of every hash. */
  readonly seed: number
  /** A power of two; ids lie in [0, buckets). */
  readonly buckets: number
  /** Lengths of the character grams within a word and its boundary marks. */
  readonly gramMin: number
  readonly gramMax: number
  /** At most this many distinct features a text, first come first kept: bounds the work for hostile texts. */
  readonly featuresMax: number
  /** So many words from the start count with their place as well. Models made before there were places have none. */
  readonly places?: number
}

export const DEFAULT_FEATURES: FeatureSettings = {
  seed: 0x51_1ce,
  buckets: 65_536,
  gramMin: 3,
  gramMax: 5,
  featuresMax: 1024,
  places: 3,
}

/** The distinct features of one text: `ids[0..size)` and how often each occurs in `counts`. Reused from call to call. */
export interface FeatureBag {
  size: number
  readonly ids: Int32Array
  readonly counts: Float32Array
}

/** 1 + ln count by count, where it is small. */
const SUBLINEAR = Float64Array.from({ length: 256 }, (_, count) => 1 + Math.log(Math.max(count, 1)))

/** Sub-linear term frequency of a feature that occurs so often, once at least. */
export function sublinear(count: number): number {
  return SUBLINEAR[count] ?? 1 + Math.log(count)
}

/** Fills the bag with the features of an input: one normalised text per segment, each segment's grams hashed apart. */
export type Extract = (segments: readonly string[]) => FeatureBag

const WORD = 0x9e37_79b1
const PAIR = 0x85eb_ca77
const FIRST = 0x27d4_eb2f
const PLACE = 0x1656_67b1
const GRAM = 0xc2b2_ae3d
const FNV_PRIME = 0x0100_0193
const BOUNDARY = 0x20

/** 1 for UTF-16 code units that belong to words: letters, marks, digits, halves of surrogate pairs. */
const WORD_UNIT = wordUnits()

function wordUnits(): Uint8Array {
  const isWord = /[\p{L}\p{M}\p{N}\p{Cs}]/u
  return Uint8Array.from({ length: 0x1_0000 }, (_, unit) => (isWord.test(String.fromCharCode(unit)) ? 1 : 0))
}

/** Last step of a hash: MurmurHash3's 32-bit finaliser (Appleby, public domain). */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85eb_ca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2_ae35)
  return h ^ (h >>> 16)
}

/** Makes an extractor; it owns one bag and a table of `buckets` integers, so each thread makes its own. */
export function extractor(settings: FeatureSettings): Extract {
  const { seed, buckets, gramMin, gramMax, featuresMax, places = 0 } = settings
  if (!Number.isInteger(Math.log2(buckets))) throw new RangeError(`buckets is a power of two, not ${buckets}`)
  const mask = buckets - 1
  const bag: FeatureBag = { size: 0, ids: new Int32Array(featuresMax), counts: new Float32Array(featuresMax) }
  const { ids, counts } = bag
  /** Position of a bucket in the bag, valid where ids[position] is that bucket. */
  const position = new Int32Array(buckets)
  let size = 0

  function add(hash: number): void {
    const id = finish(hash) & mask
    const at = position[id]!
    if (at < size && ids[at] === id) {
      counts[at]! += 1
    } else if (size < featuresMax) {
      position[id] = size
      ids[size] = id
      counts[size] = 1
      size++
    }
  }

  function word(text: string, from: number, to: number, salt: number): number {
    let whole = salt ^ WORD
    for (let i = from; i < to; i++) whole = Math.imul(whole ^ text.charCodeAt(i), FNV_PRIME)
    add(whole)
    // The word stands between boundary marks: positions from-1 and to.
    for (let start = from - 1; start <= to + 1 - gramMin; start++) {
      const end = Math.min(start + gramMax, to + 1)
      const least = start + gramMin - 1
      let gram = salt ^ GRAM
      for (let i = start; i < end; i++) {
        gram = Math.imul(gram ^ (i < from || i >= to ? BOUNDARY : text.charCodeAt(i)), FNV_PRIME)
        if (i >= least) add(gram)
      }
    }
    return whole
  }

  return (segments) => {
    size = 0
    for (let segment = 0; segment < segments.length; segment++) {
      const text = segments[segment]!
      const salt = Math.imul(seed + segment, WORD)
      let previous = 0
      let place = 0
      for (let i = 0; i < text.length;) {
        if (WORD_UNIT[text.charCodeAt(i)] === 0) {
          i++
          continue
        }
        const from = i
        while (i < text.length && WORD_UNIT[text.charCodeAt(i)] === 1) i++
        const whole = word(text, from, i, salt)
        // In many languages the head noun comes first; elsewhere the brand does.
        add(Math.imul((previous === 0 ? FIRST : previous) ^ PAIR, FNV_PRIME) ^ whole)
        if (++place <= places) add(Math.imul((PLACE + place) ^ PAIR, FNV_PRIME) ^ whole)
        previous = whole
      }
    }
    bag.size = size
    return bag
  }
}
