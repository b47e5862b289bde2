// What the validation part says of a fine-tuned transformer: decisions, thresholds, figures by source.
// Offsets are judged on queries that did not choose them: each half of the rows by those of the other half.
import { type Figures, figures, fitOffsets, fitThreshold } from '../pair/calibrate.ts'
import type { Tree } from '../../core/lexical/tree.ts'

export interface Judged {
  /** Per level. */
  readonly thresholds: readonly number[]
  /** Added to log probabilities by class, where decisions are adjusted to the prior. */
  readonly offsets: readonly number[] | undefined
  /** Share of rows right per level, most probable path. */
  readonly accuracy: readonly number[]
  /** By source, some without rows: most probable class, and as decided where there are offsets. */
  readonly bySource: readonly { readonly plain: Figures; readonly decided: Figures | undefined }[]
}

export interface JudgedRows {
  /** Calibrated, as the exported graph gives them, [rows × paths]. */
  readonly probabilities: Float32Array
  readonly labels: Int32Array
  readonly sources: Int32Array
  /** One of two halves, the same for equal queries. */
  readonly halves: Uint8Array
}

/** Below this a probability is as good as nought. */
const SHARE_MIN = 1e-12

/** A tenth is held back, of a small source tens of rows: each source counts as its macro-F1 is sure, by its rows. */
const BY_ROWS = (rows: number): number => rows

export function judge(
  { probabilities, labels, sources, halves }: JudgedRows,
  tree: Tree,
  options: { readonly precision: number; readonly adjusted: boolean; readonly sources: number },
): Judged {
  const { precision, adjusted } = options
  const classes = tree.paths
  const all = Int32Array.from(labels.keys())
  const logs = probabilities.map((share) => Math.log(Math.max(share, SHARE_MIN)))
  const zero = Array.from({ length: classes }, () => 0)
  const scored = { scores: logs, labels, sources, classes }
  const offsets = adjusted ? fitOffsets(scored, all, BY_ROWS) : undefined
  const shifted = logs.slice()
  if (adjusted)
    for (const half of [0, 1]) {
      const others = fitOffsets(
        scored,
        all.filter((row) => halves[row] !== half),
        BY_ROWS,
      )
      for (const row of all)
        if (halves[row] === half) for (let c = 0; c < classes; c++) shifted[row * classes + c]! += others[c]!
    }
  const byLevel = levels(logs, offsets ?? zero, labels, tree)
  return {
    thresholds: byLevel.map((decided) => fitThreshold(decided, precision)),
    offsets,
    accuracy: levels(logs, zero, labels, tree).map(
      (decided) => decided.filter(({ right }) => right).length / Math.max(1, decided.length),
    ),
    bySource: Array.from({ length: options.sources }, (_, source) => {
      const own = all.filter((row) => sources[row] === source)
      return {
        plain: figures(logs, labels, own, zero),
        decided: adjusted ? figures(shifted, labels, own, zero) : undefined,
      }
    }),
  }
}

interface Decision {
  readonly probability: number
  readonly right: boolean
}

/** Per level: the probability of the decided path's node, and whether it is the label's. */
function levels(logs: Float32Array, offsets: readonly number[], labels: Int32Array, tree: Tree): Decision[][] {
  const decided: Decision[][] = tree.nodes.map(() => [])
  labels.forEach((label, row) => {
    const own = logs.subarray(row * tree.paths, (row + 1) * tree.paths)
    let best = 0
    for (let c = 1; c < tree.paths; c++) if (own[c]! + offsets[c]! > own[best]! + offsets[best]!) best = c
    tree.nodeOf.forEach((nodeOf, level) => {
      const node = nodeOf[best]!
      const [first, last] = [tree.firstOf[level]![node]!, tree.firstOf[level]![node + 1]!]
      const probability = own.subarray(first, last).reduce((sum, log) => sum + Math.exp(log), 0)
      decided[level]!.push({ probability, right: nodeOf[label] === node })
    })
  })
  return decided
}
