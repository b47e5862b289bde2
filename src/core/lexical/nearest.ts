// The titles that a model learned from, found again by the rarer words that they share with a new one: how near the
// nearest title with the answer's label lies, and the nearest with another. A model that is sure of a title unlike all
// that it knows, or like one with another label, is wrong more often than one that is as sure of a familiar title (trust
// scores: Jiang et al., NeurIPS 2018). Pure; says nothing about what follows.
import { extractor } from './features.ts'
import type { Extract } from './features.ts'
import type { Tree } from './tree.ts'

/** Words and pairs of them, without character grams and places. */
const WORDS = { seed: 0x3a_5e5, buckets: 65_536, gramMin: 1, gramMax: 0, featuresMax: 1024, places: 0 }

/** A word in more titles than this share finds too many and tells too little; bounds too, for few and for many titles. */
const COMMON = { share: 0.01, least: 5, most: 500 }

/** Titles by their words, and the path of each. */
export interface TitleIndex {
  /** Titles with bucket b are rows[starts[b]..starts[b + 1]); of a common word none are kept. */
  readonly starts: Uint32Array
  readonly rows: Uint32Array
  /** 1 for buckets of common words. */
  readonly common: Uint8Array
  readonly paths: Uint32Array
}

/**
 * `texts`: normalised, one a segment, of each title; `paths`: indices in the label set. Undefined where it would take more
 * than `bytesMax` in a file.
 */
export function titleIndex(
  texts: readonly (readonly string[])[],
  paths: ArrayLike<number>,
  bytesMax = Infinity,
): TitleIndex | undefined {
  if (packedBytes(texts.length, 0) > bytesMax) return undefined
  const extract = words()
  const counts = new Uint32Array(WORDS.buckets)
  for (const own of texts) {
    const { ids, size } = extract(own)
    for (let j = 0; j < size; j++) counts[ids[j]!]! += 1
  }
  const limit = Math.max(COMMON.least, Math.min(COMMON.most, COMMON.share * texts.length))
  const common = Uint8Array.from(counts, (count) => (count > limit ? 1 : 0))
  const starts = new Uint32Array(WORDS.buckets + 1)
  for (let id = 0; id < WORDS.buckets; id++) starts[id + 1] = starts[id]! + (common[id] === 1 ? 0 : counts[id]!)
  if (packedBytes(texts.length, starts.at(-1)!) > bytesMax) return undefined
  const rows = new Uint32Array(starts.at(-1)!)
  const next = starts.slice()
  texts.forEach((own, row) => {
    const { ids, size } = extract(own)
    for (let j = 0; j < size; j++) if (common[ids[j]!] === 0) rows[next[ids[j]!]!++] = row
  })
  return { starts, rows, common, paths: Uint32Array.from(paths) }
}

/**
 * For a text and the index of its answer's path, per level, l1 first: the cosine to the nearest title that agrees with the
 * answer down to that level, minus that to the nearest that does not, in [−1, 1]; a side without a title counts as 0. Words
 * are weighed by their idf. The result is another text's with the next call.
 */
export type Nearness = (texts: readonly string[], path: number) => Float32Array

export function nearness({ starts, rows, common, paths }: TitleIndex, tree: Tree): Nearness {
  const extract = words()
  const titles = paths.length
  const { levels } = tree
  /** Squared idf per bucket, nothing for common words. */
  const weights = Float32Array.from(common, (is, id) =>
    is === 1 ? 0 : (Math.log((1 + titles) / (1 + starts[id + 1]! - starts[id]!)) + 1) ** 2,
  )
  const lengths = new Float32Array(titles)
  for (let id = 0; id < WORDS.buckets; id++)
    for (let at = starts[id]!; at < starts[id + 1]!; at++) lengths[rows[at]!]! += weights[id]!
  for (let row = 0; row < titles; row++) lengths[row] = Math.sqrt(lengths[row]!)
  /** [titles × levels] */
  const nodes = new Int32Array(titles * levels)
  for (let at = 0; at < nodes.length; at++) nodes[at] = tree.nodeOf[at % levels]![paths[Math.floor(at / levels)]!]!
  const shared = new Float32Array(titles)
  const found = new Int32Array(titles)
  const own = new Int32Array(levels)
  /** By the number of levels that a title shares with the answer. */
  const nearest = new Float32Array(levels + 1)
  const out = new Float32Array(levels)

  return (texts, path) => {
    const { ids, size } = extract(texts)
    for (let level = 0; level < levels; level++) own[level] = tree.nodeOf[level]![path]!
    let count = 0
    let square = 0
    for (let j = 0; j < size; j++) {
      const id = ids[j]!
      const weight = weights[id]!
      square += weight
      if (weight === 0) continue
      const end = starts[id + 1]!
      for (let at = starts[id]!; at < end; at++) {
        const row = rows[at]!
        const before = shared[row]!
        if (before === 0) found[count++] = row
        shared[row] = before + weight
      }
    }
    nearest.fill(0)
    const length = Math.sqrt(square)
    for (let at = 0; at < count; at++) {
      const row = found[at]!
      const cosine = shared[row]! / (length * lengths[row]!)
      shared[row] = 0
      let depth = 0
      while (depth < levels && nodes[row * levels + depth] === own[depth]) depth++
      if (cosine > nearest[depth]!) nearest[depth] = cosine
    }
    for (let level = 0; level < levels; level++) {
      let same = 0
      let other = 0
      for (let depth = 0; depth <= levels; depth++)
        if (depth > level) same = Math.max(same, nearest[depth]!)
        else other = Math.max(other, nearest[depth]!)
      out[level] = same - other
    }
    return out
  }
}

function words(): Extract {
  return extractor(WORDS)
}

/** "TI" and a version: a change in what counts as a word changes it. */
const MAGIC = 0x5449_0001
const HEADER = 12

/** Rows take two bytes where there are no more of them than that. */
const wide = (rows: number): boolean => rows > 2 ** 16

const packedBytes = (titles: number, postings: number): number =>
  HEADER + 4 * (WORDS.buckets + titles) + WORDS.buckets / 8 + (wide(titles) ? 4 : 2) * postings

/** The index in a file: a header, starts, paths, common words a bit each, rows; numbers are little-endian. */
export function packIndex({ starts, rows, common, paths }: TitleIndex): Uint8Array {
  const numbers = [...starts.subarray(1), ...paths]
  const size = wide(paths.length) ? 4 : 2
  const out = new Uint8Array(packedBytes(paths.length, rows.length))
  const view = new DataView(out.buffer)
  ;[MAGIC, paths.length, rows.length, ...numbers].forEach((value, at) => view.setUint32(4 * at, value, true))
  let at = HEADER + 4 * numbers.length
  common.forEach((bit, id) => (out[at + (id >> 3)]! |= bit << (id & 7)))
  at += common.length / 8
  for (const row of rows) {
    if (size === 4) view.setUint32(at, row, true)
    else view.setUint16(at, row, true)
    at += size
  }
  return out
}

/** Undefined where the bytes are no index of titles with so many paths, or of another version. */
export function unpackIndex(bytes: Uint8Array, pathCount: number): TitleIndex | undefined {
  if (bytes.length < HEADER) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [magic, titles, postings] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [number, number, number]
  const size = wide(titles) ? 4 : 2
  const bits = HEADER + 4 * (WORDS.buckets + titles)
  const first = bits + WORDS.buckets / 8
  if (magic !== MAGIC || bytes.length !== first + size * postings) return undefined
  const number = (at: number) => view.getUint32(HEADER + 4 * at, true)
  const starts = new Uint32Array(WORDS.buckets + 1)
  for (let id = 0; id < WORDS.buckets; id++) starts[id + 1] = number(id)
  const paths = Uint32Array.from({ length: titles }, (_, row) => number(WORDS.buckets + row))
  const common = Uint8Array.from({ length: WORDS.buckets }, (_, id) => (bytes[bits + (id >> 3)]! >> (id & 7)) & 1)
  const rows = Uint32Array.from({ length: postings }, (_, at) =>
    size === 4 ? view.getUint32(first + 4 * at, true) : view.getUint16(first + 2 * at, true),
  )
  const sound =
    starts.every((start, id) => id === 0 || start >= starts[id - 1]!) &&
    starts.at(-1) === postings &&
    rows.every((row) => row < titles) &&
    paths.every((path) => path < pathCount)
  return sound ? { starts, rows, common, paths } : undefined
}
