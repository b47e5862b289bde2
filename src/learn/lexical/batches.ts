// From texts to sparse batches: features weighted by sub-linear tf and idf, scaled to length one, some dropped.
// Features of a list of examples are extracted once and kept as long as the list is, four bytes a feature. Serving does
// the weighting in the model's graph.
import { extractor } from '../../core/lexical/features.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Random } from '../../core/random.ts'
import type { Example } from '../examples.ts'
import type { SparseBatch } from './shard.ts'

/** Features of some rows in compressed rows: those of row r lie at [offsets[r], offsets[r+1]). */
interface Chunk {
  readonly offsets: Uint32Array
  readonly ids: Uint16Array | Uint32Array
  readonly counts: Uint16Array
}

const CHUNK_ROWS = 4096
const kept = new WeakMap<
  readonly Example[],
  { readonly settings: FeatureSettings; readonly chunks: readonly Chunk[] }
>()

/** Rows [i · CHUNK_ROWS, (i + 1) · CHUNK_ROWS) are chunk i. */
function featuresOf(examples: readonly Example[], settings: FeatureSettings): readonly Chunk[] {
  const known = kept.get(examples)
  if (known?.settings === settings) return known.chunks
  const extract = extractor(settings)
  const chunks: Chunk[] = []
  for (let from = 0; from < examples.length; from += CHUNK_ROWS)
    chunks.push(chunk(examples.slice(from, from + CHUNK_ROWS), extract, settings))
  kept.set(examples, { settings, chunks })
  return chunks
}

function chunk(examples: readonly Example[], extract: ReturnType<typeof extractor>, settings: FeatureSettings): Chunk {
  const offsets = new Uint32Array(examples.length + 1)
  const ids: number[] = []
  const counts: number[] = []
  examples.forEach(({ texts }, row) => {
    const bag = extract(texts)
    for (let j = 0; j < bag.size; j++) {
      ids.push(bag.ids[j]!)
      counts.push(bag.counts[j]!)
    }
    offsets[row + 1] = ids.length
  })
  const Ids = settings.buckets <= 2 ** 16 ? Uint16Array : Uint32Array
  return { offsets, ids: Ids.from(ids), counts: Uint16Array.from(counts) }
}

/** The features that examples have: each has a row of the table. Row 0 is that of all others and stays nothing. */
export interface Vocabulary {
  /** Row of each bucket. */
  readonly rowOf: Int32Array
  /** Per row: smoothed idf, ln((1 + n) / (1 + df)) + 1 as scikit-learn's TfidfTransformer has it, to a power. */
  readonly idf: Float32Array
}

export function vocabulary(examples: readonly Example[], settings: FeatureSettings, power: number): Vocabulary {
  const frequencies = new Uint32Array(settings.buckets)
  for (const { ids } of featuresOf(examples, settings)) for (let j = 0; j < ids.length; j++) frequencies[ids[j]!]! += 1
  const idfOf = (df: number) => (Math.log((1 + examples.length) / (1 + df)) + 1) ** power
  const idf = [idfOf(0)]
  const rowOf = Int32Array.from(frequencies, (df) => (df === 0 ? 0 : idf.push(idfOf(df)) - 1))
  return { rowOf, idf: Float32Array.from(idf) }
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

export type Fill = (
  batch: SparseBatch,
  examples: readonly Example[],
  order: Int32Array,
  from: number,
  to: number,
) => void

/** 1 + ln count, by count. */
const SUBLINEAR = Float64Array.from({ length: 256 }, (_, count) => 1 + Math.log(Math.max(count, 1)))

/** Fills batches with rows order[from..to) of the examples. */
export function filler(settings: FeatureSettings, { rowOf, idf }: Vocabulary, dropout?: Dropout): Fill {
  const share = dropout?.share ?? 0
  return (batch, examples, order, from, to) => {
    const chunks = featuresOf(examples, settings)
    const { offsets, ids, weights } = batch
    let at = 0
    offsets[0] = 0
    for (let row = from; row < to; row++) {
      const index = order[row]!
      const own = chunks[Math.floor(index / CHUNK_ROWS)]!
      const end = own.offsets[(index % CHUNK_ROWS) + 1]!
      const start = at
      let squares = 0
      for (let j = own.offsets[index % CHUNK_ROWS]!; j < end; j++) {
        const id = rowOf[own.ids[j]!]!
        const count = own.counts[j]!
        const weight = (SUBLINEAR[count] ?? 1 + Math.log(count)) * idf[id]!
        squares += weight * weight
        if (id === 0 || (dropout !== undefined && dropout.next() < share)) continue
        ids[at] = id
        weights[at++] = weight
      }
      const scale = 1 / (Math.sqrt(squares || 1) * (1 - share))
      for (let j = start; j < at; j++) weights[j]! *= scale
      offsets[row - from + 1] = at
    }
    batch.rows = to - from
  }
}
