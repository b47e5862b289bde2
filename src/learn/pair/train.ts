// Trains a pair model from relevance examples: encode, fit, calibrate, decide, measure. No I/O: rows come in, a graph,
// a lexicon and figures go out. Figures are honest: every row is judged by models and offsets that never saw its query.
import type { GraphSpec } from '../../ports/graph.ts'
import type { Lexicon } from '../../core/pair/encode.ts'
import { type Figures, type Scored, figures, fitTemperature, fitThreshold } from './calibrate.ts'
import { type Judgements, type Offsets, fitOffsetsBySource, logFactors } from './decisions.ts'
import { DEFAULT_FIT, type OutOfFold, type Progress, fit, judgements, mixed } from './fit.ts'
import { pairGraph } from './graph.ts'
import { FOLDS, type PairRow, encodeRows } from './rows.ts'

export interface PairTraining {
  /** The model, deciding by these offsets. */
  readonly graph: (offsets: Offsets) => GraphSpec
  readonly lexicon: Lexicon
  /** Of each source that is one of its own, in the order of the files. */
  readonly temperatures: readonly number[]
  /** Likewise; added to log probabilities before the largest is taken. */
  readonly offsets: Offsets
  /** The file of each of these sources. */
  readonly files: readonly number[]
  readonly threshold: number
  readonly rounds: number
  /** By source: figures out of fold, with offsets chosen without the fold; and plain arg-max beside them. */
  readonly bySource: readonly { readonly decided: Figures; readonly plain: Figures }[]
  /** Expected calibration error of the decided class, 15 bins, out of fold. */
  readonly ece: number
  /** What models that never saw a row's query say of it, calibrated: [rows × classes], and source by source. */
  readonly outOfFold: { readonly probabilities: Float32Array; readonly said: Judgements }
}

/** Share of decisions that the proposed threshold keeps right, where that can be had. */
const PRECISION = 0.85

/** Throws RangeError where the rows have fewer than 2 × FOLDS queries: nothing could be held back. */
export async function trainPairs(
  rows: readonly PairRow[],
  classes: number,
  seed: number,
  progress: Progress,
): Promise<PairTraining> {
  const encoded = await encodeRows(rows, (done) => progress('pairs', done, rows.length, ''))
  const { fitted, outOfFold } = await fit(encoded, { ...DEFAULT_FIT, classes, seed }, progress)
  const all = Int32Array.from(rows.keys())
  const own = asOwnSource(outOfFold, encoded.labels, classes)
  const temperatures = Array.from(fitted.source.prior, (_, source) =>
    fitTemperature(
      own,
      all.filter((row) => outOfFold.group[row] === source),
    ),
  )
  const said = judgements(outOfFold, classes, temperatures)
  const probabilities = mixed(said, classes)
  const logs = probabilities.map((p) => Math.log(Math.max(p, 1e-12)))
  const scored: Scored = { scores: logs, labels: encoded.labels, sources: encoded.sources, classes }
  const offsets = fitOffsetsBySource(scored, said, all)
  await progress('decisions', 1, FOLDS + 1, '')
  const factors = new Float32Array(logs.length)
  for (let fold = 0; fold < FOLDS; fold++) {
    const others = fitOffsetsBySource(
      scored,
      said,
      all.filter((row) => encoded.folds[row] !== fold),
    )
    for (const row of all) if (encoded.folds[row] === fold) logFactors(said, others, row, factors, row * classes)
    await progress('decisions', fold + 2, FOLDS + 1, '')
  }
  const shifted = logs.map((log, at) => log + factors[at]!)
  const zero = Array.from({ length: classes }, () => 0)
  const sources = [...new Set(encoded.sources)].sort((a, b) => a - b)
  const decided = rows.map((row, at) => {
    const scores = shifted.subarray(at * classes, (at + 1) * classes)
    const answer = scores.indexOf(Math.max(...scores))
    return { probability: probabilities[at * classes + answer]!, right: answer === row.label }
  })
  return {
    graph: (own) => pairGraph(fitted, temperatures, own),
    lexicon: { tables: encoded.tables, vectors: encoded.vectors },
    temperatures,
    offsets,
    files: fitted.files,
    threshold: fitThreshold(decided, PRECISION),
    rounds: fitted.relevance.boosted.rounds.length,
    bySource: sources.map((source) => {
      const own = all.filter((row) => encoded.sources[row] === source)
      return {
        decided: figures(shifted, encoded.labels, own, zero),
        plain: figures(logs, encoded.labels, own, zero),
      }
    }),
    ece: calibrationError(decided),
    outOfFold: { probabilities, said },
  }
}

/** Scores of each row as its own source judges it. */
function asOwnSource({ group, scores }: OutOfFold, labels: Int32Array, classes: number): Omit<Scored, 'sources'> {
  const sources = scores.length / classes / group.length
  const own = new Float32Array(group.length * classes)
  for (const [row, at] of group.entries()) {
    const from = (row * sources + at) * classes
    own.set(scores.subarray(from, from + classes), row * classes)
  }
  return { scores: own, labels, classes }
}

function calibrationError(decided: readonly { readonly probability: number; readonly right: boolean }[]): number {
  const bins = Array.from({ length: 15 }, () => ({ rows: 0, sum: 0, right: 0 }))
  for (const { probability, right } of decided) {
    const bin = bins[Math.min(14, Math.floor(probability * 15))]!
    bin.rows++
    bin.sum += probability
    if (right) bin.right++
  }
  return bins.reduce((error, { sum, right }) => error + Math.abs(sum - right), 0) / Math.max(1, decided.length)
}
