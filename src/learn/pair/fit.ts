// Fits the pair kind: which source a product's style speaks of, and what class the pair has if it were judged there.
// Sources mean different things by one class; the answer is the mean of their judgements, weighted by that posterior.
import { FEATURES } from '../../core/pair/features.ts'
import { SPARSE_BUCKETS } from '../../core/pair/sparse.ts'
import { STYLE, STYLE_BUCKETS } from '../../core/pair/style.ts'
import { softmaxRows } from './boost.ts'
import type { EncodedRows } from './rows.ts'
import { type Scorer, type ScorerSettings, fitScorer } from './scorer.ts'
import type { Judgements } from './decisions.ts'

export interface FitSettings {
  readonly classes: number
  readonly seed: number
  readonly relevance: Omit<ScorerSettings, 'seed'>
  readonly source: Omit<ScorerSettings, 'seed'>
  /** A file with fewer rows is no source of its own: it counts as the source whose style its rows have. */
  readonly sourceRows: number
}

export const DEFAULT_FIT: Omit<FitSettings, 'classes' | 'seed'> = {
  relevance: {
    linear: { epochs: 3, rate: 0.03, denseRate: 0.05, decay: 1e-4 },
    trees: {
      leaves: 31,
      leafRows: 60,
      lambda: 1,
      rate: 0.045,
      roundsMax: 500,
      patience: 25,
      rowShare: 0.7,
      featureShare: 0.35,
    },
  },
  source: {
    linear: { epochs: 4, rate: 0.05, denseRate: 0.05, decay: 1e-5 },
    trees: {
      leaves: 15,
      leafRows: 20,
      lambda: 1,
      rate: 0.1,
      roundsMax: 100,
      patience: 10,
      rowShare: 0.5,
      featureShare: 0.6,
    },
  },
  sourceRows: 500,
}

export interface Fitted {
  readonly relevance: Scorer
  readonly source: Scorer
  /** The file of each source. */
  readonly files: readonly number[]
}

/** What models that never saw a row's query say of it. */
export interface OutOfFold {
  /** Source of each row, small files counted elsewhere. */
  readonly group: Int32Array
  /** rows × sources. */
  readonly posterior: Float32Array
  /** rows × sources × classes: log scores if it were judged there. */
  readonly scores: Float32Array
}

export type Progress = (step: string, done: number, total: number, note: string) => void | Promise<void>

export async function fit(
  rows: EncodedRows,
  { classes, seed, relevance, source, sourceRows }: FitSettings,
  progress: Progress,
): Promise<{ readonly fitted: Fitted; readonly outOfFold: OutOfFold }> {
  const { labels, weights, folds } = rows
  const { own, files } = ownSources(rows.sources, sourceRows)
  const sources = files.length
  const sourceOf = await fitScorer(
    {
      dense: rows.style,
      width: STYLE.length,
      hashed: rows.styled,
      buckets: STYLE_BUCKETS,
      labels: own.map((at) => Math.max(0, at)),
      classes: sources,
      weights: weights.map((weight, row) => (own[row]! < 0 ? 0 : weight)),
      folds,
      groups: 0,
      group: new Int32Array(),
    },
    { ...source, seed },
    (done, total, note) => progress('sources', done, total, note),
  )
  const posterior = new Float32Array(sourceOf.outOfFold.length)
  softmaxRows(sourceOf.outOfFold, posterior, sources)
  const group = adopted(own, rows.sources, posterior, sources)
  const { scorer, outOfFold } = await fitScorer(
    {
      dense: rows.dense,
      width: FEATURES.length,
      hashed: rows.crossed,
      buckets: SPARSE_BUCKETS,
      labels,
      classes,
      weights,
      folds,
      groups: sources,
      group,
    },
    { ...relevance, seed },
    (done, total, note) => progress('classes', done, total, note),
  )
  return {
    fitted: { relevance: scorer, source: sourceOf.scorer, files },
    outOfFold: { group, posterior, scores: outOfFold },
  }
}

/** Files with enough rows, numbered in order; -1 for the rows of others. The largest is always one. */
function ownSources(files: Int32Array, rowsMin: number): { readonly own: Int32Array; readonly files: number[] } {
  const counts: number[] = []
  for (const file of files) counts[file] = (counts[file] ?? 0) + 1
  const least = Math.min(rowsMin, Math.max(...counts.map((count) => count ?? 0)))
  const kept = counts.flatMap((count, file) => (count >= least ? [file] : []))
  return { own: files.map((file) => kept.indexOf(file)), files: kept }
}

/** Rows of a small file take the source that is most probable over the whole file. */
function adopted(own: Int32Array, files: Int32Array, posterior: Float32Array, sources: number): Int32Array {
  const sums = new Map<number, Float64Array>()
  for (let row = 0; row < own.length; row++) {
    if (own[row]! >= 0) continue
    const sum = sums.get(files[row]!) ?? new Float64Array(sources)
    sums.set(files[row]!, sum)
    for (let s = 0; s < sources; s++) sum[s]! += posterior[row * sources + s]!
  }
  return own.map((at, row) => {
    if (at >= 0) return at
    const sum = sums.get(files[row]!)!
    return sum.indexOf(Math.max(...sum))
  })
}

/** What the sources say, each at its temperature. */
export function judgements(
  { posterior, scores, group }: OutOfFold,
  classes: number,
  temperatures: readonly number[],
): Judgements {
  const sources = posterior.length / group.length
  const parts = new Float32Array(scores.length)
  softmaxRows(
    scores.map((score, at) => score / temperatures[Math.floor(at / classes) % sources]!),
    parts,
    classes,
  )
  for (let at = 0; at < parts.length; at++) parts[at]! *= posterior[Math.floor(at / classes)]!
  return { parts, group, sources }
}

/** Probabilities [rows × classes]: the mean of the judgements. */
export function mixed({ parts, group, sources }: Judgements, classes: number): Float32Array {
  const out = new Float32Array(group.length * classes)
  for (let at = 0; at < parts.length; at++) {
    const row = Math.floor(at / classes / sources)
    out[row * classes + (at % classes)]! += parts[at]!
  }
  return out
}
