// What the validation part says of a fitted transformer: temperature, decisions, thresholds, figures by source.
// Offsets are judged on queries that did not choose them: each half of the rows by those of the other half.
import { type Figures, figures, fitOffsets, fitTemperature, fitThreshold } from '../pair/calibrate.ts'
import type { Tree } from '../../core/lexical/tree.ts'

export interface Judged {
  readonly temperature: number
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
  /** [rows × paths] */
  readonly logits: Float32Array
  readonly labels: Int32Array
  readonly sources: Int32Array
  /** One of two halves, the same for equal queries. */
  readonly halves: Uint8Array
}

export function judge(
  { logits, labels, sources, halves }: JudgedRows,
  tree: Tree,
  options: { readonly precision: number; readonly adjusted: boolean; readonly sources: number },
): Judged {
  const { precision, adjusted } = options
  const classes = tree.paths
  const all = Int32Array.from(labels.keys())
  const temperature = fitTemperature({ scores: logits, labels, classes }, all)
  const logs = logSoftmax(logits, classes, temperature)
  const zero = Array.from({ length: classes }, () => 0)
  const scored = { scores: logs, labels, sources, classes }
  const offsets = adjusted ? fitOffsets(scored, all) : undefined
  const shifted = logs.slice()
  if (adjusted)
    for (const half of [0, 1]) {
      const others = fitOffsets(
        scored,
        all.filter((row) => halves[row] !== half),
      )
      for (const row of all)
        if (halves[row] === half) for (let c = 0; c < classes; c++) shifted[row * classes + c]! += others[c]!
    }
  const byLevel = levels(logs, offsets ?? zero, labels, tree)
  return {
    temperature,
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

function logSoftmax(logits: Float32Array, classes: number, temperature: number): Float32Array {
  const logs = logits.map((logit) => logit / temperature)
  for (let from = 0; from < logs.length; from += classes) {
    const own = logs.subarray(from, from + classes)
    const top = Math.max(...own)
    const total = Math.log(own.reduce((sum, value) => sum + Math.exp(value - top), 0)) + top
    for (let c = 0; c < classes; c++) own[c]! -= total
  }
  return logs
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
