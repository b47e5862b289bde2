// From texts to sparse batches: features weighted by sub-linear tf and idf, scaled to length one, some dropped.
// Features are extracted anew for each batch, so memory holds texts only. Serving does the same in the model's graph.
import { extractor } from '../../core/lexical/features.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Random } from '../../core/random.ts'
import type { Example } from '../examples.ts'
import type { SparseBatch } from './shard.ts'

/** Smoothed idf per bucket, ln((1 + n) / (1 + df)) + 1 as scikit-learn's TfidfTransformer has it, to a power. */
export function inverseFrequencies(
  examples: readonly Example[],
  settings: FeatureSettings,
  power: number,
): Float32Array {
  const extract = extractor(settings)
  const frequencies = new Uint32Array(settings.buckets)
  for (const { texts } of examples) {
    const { ids, size } = extract(texts)
    for (let j = 0; j < size; j++) frequencies[ids[j]!]! += 1
  }
  return Float32Array.from(frequencies, (df) => (Math.log((1 + examples.length) / (1 + df)) + 1) ** power)
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

/** Fills batches with rows order[from..to) of the examples. */
export function filler(settings: FeatureSettings, idf: Float32Array, dropout?: Dropout): Fill {
  const extract = extractor(settings)
  const share = dropout?.share ?? 0
  return (batch, examples, order, from, to) => {
    const { offsets, ids, weights } = batch
    let at = 0
    offsets[0] = 0
    for (let row = from; row < to; row++) {
      const bag = extract(examples[order[row]!]!.texts)
      const start = at
      let squares = 0
      for (let j = 0; j < bag.size; j++) {
        const id = bag.ids[j]!
        const weight = (1 + Math.log(bag.counts[j]!)) * idf[id]!
        squares += weight * weight
        if (dropout !== undefined && dropout.next() < share) continue
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
