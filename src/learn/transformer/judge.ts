// What the validation part says of a fine-tuned transformer: decisions, thresholds, figures by source.
// Offsets are judged on queries that did not choose them: each half of the rows by those of the other half.
import { type Figures, type Scored, figures, fitOffsets, fitThreshold } from '../pair/calibrate.ts'
import type { Tree } from '../../core/lexical/tree.ts'

export interface Judged {
  /** Per level. */
  readonly thresholds: readonly number[]
  /** Added to log probabilities by class, where they were chosen here. */
  readonly offsets: readonly number[] | undefined
  /** Share of rows right per level, most probable path. */
  readonly accuracy: readonly number[]
  /** By source, some without rows: most probable class, and as decided where decisions are adjusted to the prior. */
  readonly bySource: readonly { readonly plain: Figures; readonly decided: Figures | undefined }[]
}

export interface JudgedRows {
  /** Calibrated, as the exported graph gives them, [rows × paths]. */
  readonly probabilities: Float32Array
  readonly labels: Int32Array
  readonly sources: Int32Array
  /** One of two halves, the same for equal queries. */
  readonly halves: Uint8Array
  /** Added to log probabilities in choosing, [rows × paths], where that is known; else `adjusted` has it chosen here. */
  readonly factors?: Float32Array | undefined
}

/** Below this a probability is as good as nought. */
const SHARE_MIN = 1e-12

/** A tenth is held back, of a small source tens of rows: each source counts as its macro-F1 is sure, by its rows. */
const BY_ROWS = (rows: number): number => rows

export function judge(
  { probabilities, labels, sources, halves, factors }: JudgedRows,
  tree: Tree,
  options: { readonly precision: number; readonly adjusted: boolean; readonly sources: number },
): Judged {
  const { precision, adjusted } = options
  const classes = tree.paths
  const all = Int32Array.from(labels.keys())
  const logs = probabilities.map((share) => Math.log(Math.max(share, SHARE_MIN)))
  const plus = (added: (at: number) => number) => logs.map((log, at) => log + added(at))
  const chosen = adjusted && !factors ? chosenHere({ scores: logs, labels, sources, classes }, halves) : undefined
  const shifted = factors ? plus((at) => factors[at]!) : chosen && plus((at) => chosen.factors[at]!)
  const served = chosen ? plus((at) => chosen.offsets[at % classes]!) : (shifted ?? logs)
  const zero = Array.from({ length: classes }, () => 0)
  return {
    thresholds: levels(logs, served, labels, tree).map((decided) => fitThreshold(decided, precision)),
    offsets: chosen?.offsets,
    accuracy: levels(logs, logs, labels, tree).map(
      (decided) => decided.filter(({ right }) => right).length / Math.max(1, decided.length),
    ),
    bySource: Array.from({ length: options.sources }, (_, source) => {
      const own = all.filter((row) => sources[row] === source)
      return {
        plain: figures(logs, labels, own, zero),
        decided: shifted && figures(shifted, labels, own, zero),
      }
    }),
  }
}

/** Offsets of all rows, and as factors for each half of the rows those of the other half. */
function chosenHere(scored: Scored, halves: Uint8Array) {
  const { labels, classes } = scored
  const all = Int32Array.from(labels.keys())
  const others = [0, 1].map((half) =>
    fitOffsets(
      scored,
      all.filter((row) => halves[row] !== half),
      BY_ROWS,
    ),
  )
  const factors = Float32Array.from(scored.scores, (_, at) => others[halves[Math.floor(at / classes)]!]![at % classes]!)
  return { offsets: fitOffsets(scored, all, BY_ROWS), factors }
}

interface Decision {
  readonly probability: number
  readonly right: boolean
}

/** Per level: the probability of the node of the path with the best score, and whether it is the label's. */
function levels(logs: Float32Array, scores: Float32Array, labels: Int32Array, tree: Tree): Decision[][] {
  const decided: Decision[][] = tree.nodes.map(() => [])
  labels.forEach((label, row) => {
    const own = logs.subarray(row * tree.paths, (row + 1) * tree.paths)
    const ranked = scores.subarray(row * tree.paths, (row + 1) * tree.paths)
    const best = ranked.indexOf(Math.max(...ranked))
    tree.nodeOf.forEach((nodeOf, level) => {
      const node = nodeOf[best]!
      const [first, last] = [tree.firstOf[level]![node]!, tree.firstOf[level]![node + 1]!]
      const probability = own.subarray(first, last).reduce((sum, log) => sum + Math.exp(log), 0)
      decided[level]!.push({ probability, right: nodeOf[label] === node })
    })
  })
  return decided
}
