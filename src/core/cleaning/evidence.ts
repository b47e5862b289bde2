// What a model that never saw a row says of the row's label: the probability, per level, of the given path's node and
// of the best path's. Two paths a row, whatever the size of the label set. Judges nothing.
import { jointRow } from '../calibration/temperature.ts'
import { decode, decoded } from '../lexical/decode.ts'
import type { LevelLogits } from '../calibration/temperature.ts'
import type { Tree } from '../lexical/tree.ts'

/** Rows side by side. */
export interface Evidence {
  readonly rows: number
  /** Index of the path the data gives each row. */
  readonly given: Int32Array
  /** Index of the most probable existing path; −1 where a probability is not finite. */
  readonly best: Int32Array
  /** [rows × levels]: calibrated marginal probability of the given path's node, l1 first. */
  readonly givenLevels: Float32Array
  /** [rows × levels]: the same of the best path's node. */
  readonly bestLevels: Float32Array
}

export function emptyEvidence(given: Int32Array, tree: Tree): Evidence {
  const rows = given.length
  const levels = () => new Float32Array(rows * tree.levels)
  return { rows, given, best: new Int32Array(rows).fill(-1), givenLevels: levels(), bestLevels: levels() }
}

/** Writes what `logits` say (row `at` of them is row `rows[at]` of the evidence). */
export function gather(
  evidence: Evidence,
  rows: Int32Array,
  logits: LevelLogits,
  tree: Tree,
  temperatures: readonly number[],
): void {
  const { levels } = tree
  const joint = new Float64Array(tree.paths)
  const probabilities = new Float32Array(tree.paths)
  const out = decoded(1, tree, 1)
  rows.forEach((row, at) => {
    jointRow(logits, at, tree, temperatures, joint)
    probabilities.set(joint)
    out.best.fill(-1)
    out.scores.fill(0)
    decode(probabilities, 0, tree, 1, out, 0)
    evidence.best[row] = out.best[0]!
    if (out.best[0]! < 0) return
    evidence.bestLevels.set(out.levels, row * levels)
    for (let level = 0; level < levels; level++)
      evidence.givenLevels[row * levels + level] = marginal(probabilities, tree, level, evidence.given[row]!)
  })
}

function marginal(probabilities: Float32Array, tree: Tree, level: number, path: number): number {
  const node = tree.nodeOf[level]![path]!
  const first = tree.firstOf[level]!
  let sum = 0
  for (let at = first[node]!; at < first[node + 1]!; at++) sum += probabilities[at]!
  return Math.min(sum, 1)
}
