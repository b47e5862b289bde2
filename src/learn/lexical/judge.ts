// How good a lexical model is on rows it never saw, and the thresholds that follow from them.
// Looks only; what it is given must not have been trained on.
import { jointRow } from '../../core/calibration/temperature.ts'
import { proposeThresholds } from '../../core/calibration/propose.ts'
import { decode, decoded } from '../../core/lexical/decode.ts'
import { calibrationError } from '../../core/metrics.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Proposal } from '../../core/calibration/propose.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { LexicalSettings } from './settings.ts'

/** What the validated fit showed, on rows it never saw. */
export interface Validation {
  readonly rows: number
  /** Per level, in full precision and as served with eight bits. */
  readonly accuracy: readonly number[]
  readonly servedAccuracy: readonly number[]
  readonly ece: number
  readonly eceBefore: number
  readonly coverage: number
  readonly selectiveAccuracy: number
}

/** Thresholds per level, and how good the calibrated model is on the validation rows. */
export function judge(
  data: LevelLogits,
  tree: Tree,
  temperatures: readonly number[],
  { precision, power }: Pick<LexicalSettings, 'precision' | 'power'>,
): { readonly proposal: Proposal; readonly validation: Omit<Validation, 'servedAccuracy'> } {
  const scored = score(data, tree, temperatures)
  const plain = score(
    data,
    tree,
    temperatures.map(() => 1),
  )
  const deepest = tree.levels - 1
  const proposal = proposeThresholds(scored, precision, power)
  const { served } = proposal
  let covered = 0
  let right = 0
  for (let row = 0; row < data.rows; row++) {
    if (!served.every(({ probabilities }, level) => probabilities[row]! >= proposal.thresholds[level]!)) continue
    covered++
    right += scored[deepest]!.hits[row]!
  }
  const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
  const validation = {
    rows: data.rows,
    accuracy: scored.map(({ hits }) => mean(hits)),
    ece: calibrationError(served[deepest]!.probabilities, served[deepest]!.hits),
    eceBefore: calibrationError(plain[deepest]!.probabilities, plain[deepest]!.hits),
    coverage: covered / Math.max(data.rows, 1),
    selectiveAccuracy: covered === 0 ? 0 : right / covered,
  }
  return { proposal, validation }
}

interface Scored {
  readonly probabilities: Float32Array
  readonly hits: Uint8Array
}

/** Per level: probability of the answered node, and whether the path is right down to it. */
function score(data: LevelLogits, tree: Tree, temperatures: readonly number[]): Scored[] {
  const joint = new Float64Array(tree.paths)
  const row = new Float32Array(tree.paths)
  const out = decoded(1, tree, 1)
  const scored = tree.nodes.map(() => ({
    probabilities: new Float32Array(data.rows),
    hits: new Uint8Array(data.rows),
  }))
  for (let at = 0; at < data.rows; at++) {
    jointRow(data, at, tree, temperatures, joint)
    row.set(joint)
    decode(row, 0, tree, 1, out, 0)
    scored.forEach(({ probabilities, hits }, level) => {
      const nodes = tree.nodeOf[level]!
      probabilities[at] = out.levels[level]!
      hits[at] = nodes[out.best[0]!] === nodes[data.gold[at]!] ? 1 : 0
    })
  }
  return scored
}
