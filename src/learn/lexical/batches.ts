// From texts to sparse batches: features weighted by sub-linear tf and idf, scaled to length one, some dropped.
// Features of a data set are extracted once, four bytes a feature, into memory that all fits read. Serving does the
// weighting in the model's graph.
import { extractor, sublinear } from '../../core/lexical/features.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Random } from '../../core/random.ts'
import type { Example } from '../examples.ts'
import type { SparseBatch } from './embeddings.ts'

/** Features of some rows in compressed rows: those of row r lie at [offsets[r], offsets[r+1]). */
interface Chunk {
  readonly offsets: Uint32Array
  readonly ids: Uint16Array | Uint32Array
  readonly counts: Uint16Array
}

/** Features of all rows of a data set, in memory that threads share. */
export interface RowFeatures {
  readonly settings: FeatureSettings
  /** Rows [i · CHUNK_ROWS, (i + 1) · CHUNK_ROWS) are chunk i. */
  readonly chunks: readonly Chunk[]
}

/** Some rows of a data set, and the index of each one's path. */
export interface Subset {
  readonly rows: Int32Array
  readonly gold: Int32Array
}

const CHUNK_ROWS = 4096

export function rowFeatures(examples: readonly Example[], settings: FeatureSettings): RowFeatures {
  const extract = extractor(settings)
  const chunks: Chunk[] = []
  for (let from = 0; from < examples.length; from += CHUNK_ROWS)
    chunks.push(chunk(examples.slice(from, from + CHUNK_ROWS), extract, settings))
  return { settings, chunks }
}

/** Features of a row, on average. */
export function featuresPerRow({ chunks }: RowFeatures): number {
  const features = chunks.reduce((sum, { offsets }) => sum + offsets.at(-1)!, 0)
  return features / chunks.reduce((sum, { offsets }) => sum + offsets.length - 1, 0)
}

function chunk(examples: readonly Example[], extract: ReturnType<typeof extractor>, settings: FeatureSettings): Chunk {
  const ids: number[] = []
  const counts: number[] = []
  const ends = examples.map(({ texts }) => {
    const bag = extract(texts)
    for (let j = 0; j < bag.size; j++) {
      ids.push(bag.ids[j]!)
      counts.push(bag.counts[j]!)
    }
    return ids.length
  })
  const few = settings.buckets <= 2 ** 16
  return { offsets: shared32([0, ...ends]), ids: few ? shared16(ids) : shared32(ids), counts: shared16(counts) }
}

function shared16(values: readonly number[]): Uint16Array {
  const array = new Uint16Array(new SharedArrayBuffer(2 * values.length))
  array.set(values)
  return array
}

function shared32(values: readonly number[]): Uint32Array {
  const array = new Uint32Array(new SharedArrayBuffer(4 * values.length))
  array.set(values)
  return array
}

/** The features that some rows have: each has a row of the table. Row 0 is that of all others and stays nothing. */
export interface Vocabulary {
  /** Row of each bucket. */
  readonly rowOf: Int32Array
  /** Per row: smoothed idf, ln((1 + n) / (1 + df)) + 1 as scikit-learn's TfidfTransformer has it, to a power. */
  readonly idf: Float32Array
}

export function vocabulary({ settings, chunks }: RowFeatures, rows: Int32Array, power: number): Vocabulary {
  const frequencies = new Uint32Array(settings.buckets)
  for (const row of rows) {
    const { offsets, ids } = chunks[Math.floor(row / CHUNK_ROWS)]!
    const end = offsets[(row % CHUNK_ROWS) + 1]!
    for (let j = offsets[row % CHUNK_ROWS]!; j < end; j++) frequencies[ids[j]!]! += 1
  }
  const idfOf = (df: number) => (Math.log((1 + rows.length) / (1 + df)) + 1) ** power
  const seen = Array.from(frequencies.keys().filter((bucket) => frequencies[bucket]! > 0))
  seen.sort((a, b) => frequencies[b]! - frequencies[a]!)
  const rowOf = new Int32Array(settings.buckets)
  seen.forEach((bucket, at) => (rowOf[bucket] = at + 1))
  return { rowOf, idf: Float32Array.from([0, ...seen.map((bucket) => frequencies[bucket]!)], idfOf) }
}

/**
 * Settings for these examples: finer buckets, `bucketsMax` of them, where the examples have no more features than the
 * table may have rows, so that hardly two of them share a row; the given ones for large data.
 */
export function featuresFor(
  examples: readonly Example[],
  settings: FeatureSettings,
  bucketsMax: number,
): FeatureSettings {
  const finer = { ...settings, buckets: Math.max(bucketsMax, settings.buckets) }
  const extract = extractor(finer)
  const seen = new Uint8Array(finer.buckets)
  let rows = 0
  for (const { texts } of examples) {
    const { ids, size } = extract(texts)
    for (let j = 0; j < size; j++) {
      rows += 1 - seen[ids[j]!]!
      seen[ids[j]!] = 1
    }
    if (rows >= settings.buckets) return settings
  }
  return finer
}

export interface Dropout {
  /** Share of features left out of each row; the others are scaled up by 1 / (1 − share). */
  readonly share: number
  readonly next: Random
}

/** Fills a batch with rows order[from..to) of the data set. */
export type Fill = (batch: SparseBatch, order: Int32Array, from: number, to: number, dropout?: Dropout) => void

export function filler({ chunks }: RowFeatures, { rowOf, idf }: Vocabulary): Fill {
  const weightOf = (count: number, id: number) => sublinear(count) * idf[id]!
  /** By what each row of each chunk is divided; found when the row is first asked for. */
  const lengths = chunks.map(({ offsets }) => new Float32Array(offsets.length - 1))
  const lengthOf = ({ offsets, ids, counts }: Chunk, row: number) => {
    let squares = 0
    for (let j = offsets[row]!; j < offsets[row + 1]!; j++) squares += weightOf(counts[j]!, rowOf[ids[j]!]!) ** 2
    return Math.sqrt(squares || 1)
  }
  return (batch, order, from, to, dropout) => {
    const { offsets, ids, weights } = batch
    let at = 0
    offsets[0] = 0
    for (let place = from; place < to; place++) {
      const index = order[place]!
      const own = chunks[Math.floor(index / CHUNK_ROWS)]!
      const row = index % CHUNK_ROWS
      const known = lengths[Math.floor(index / CHUNK_ROWS)]!
      const length = known[row]! || (known[row] = lengthOf(own, row))
      const scale = 1 / (length * (1 - (dropout?.share ?? 0)))
      const end = own.offsets[row + 1]!
      for (let j = own.offsets[row]!; j < end; j++) {
        if (dropout !== undefined && dropout.next() < dropout.share) continue
        const id = rowOf[own.ids[j]!]!
        if (id === 0) continue
        ids[at] = id
        weights[at++] = weightOf(own.counts[j]!, id) * scale
      }
      offsets[place - from + 1] = at
    }
    batch.rows = to - from
  }
}
