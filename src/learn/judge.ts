// How good a model is on rows it never saw, from the probabilities it gave: accuracy, top k, thresholds, calibration.
// Works on the joint distribution over paths, whatever kind of model it comes from. Fits only the thresholds.
import { loosestThreshold } from '../core/calibration.ts'
import { decode, decoded } from '../core/lexical/decode.ts'
import { calibrationError } from '../core/metrics.ts'
import type { Tree } from '../core/lexical/tree.ts'

export interface Judgement {
  readonly rows: number
  /** Per level, l1 first; a deeper level counts only where the whole path is right. */
  readonly accuracy: readonly number[]
  /** Share of rows whose gold path is among the 3 and the 5 most probable. */
  readonly top3: number
  readonly top5: number
  /** Of the deepest level. */
  readonly ece: number
  /** Per level: the loosest at which the wanted share of answers was right. */
  readonly thresholds: readonly number[]
  /** Share of rows at or above all thresholds, and the share of those that is wholly right. */
  readonly coverage: number
  readonly selectiveAccuracy: number
}

const SHORTLIST = 5

/** `probabilities` [rows × paths], `gold` the path of each row. */
export function judge(probabilities: Float32Array, gold: Int32Array, tree: Tree, precision: number): Judgement {
  const rows = gold.length
  const shortlist = Math.min(SHORTLIST, tree.paths)
  const out = decoded(rows, tree, shortlist)
  const top = [0, 0, 0, 0, 0]
  const levels = tree.nodes.map(() => ({ said: new Float32Array(rows), hits: new Uint8Array(rows) }))
  for (let row = 0; row < rows; row++) {
    decode(probabilities, row, tree, shortlist, out, row)
    const ranked = out.best.subarray(row * shortlist, (row + 1) * shortlist)
    const rank = ranked.indexOf(gold[row]!)
    for (let k = Math.max(rank, 0); rank >= 0 && k < SHORTLIST; k++) top[k]! += 1
    levels.forEach(({ said, hits }, level) => {
      const nodeOf = tree.nodeOf[level]!
      said[row] = out.levels[row * tree.levels + level]!
      hits[row] = nodeOf[ranked[0]!] === nodeOf[gold[row]!] ? 1 : 0
    })
  }
  const thresholds = levels.map(({ said, hits }) => loosestThreshold(said, hits, precision))
  const deepest = levels.at(-1)!
  let covered = 0
  let right = 0
  for (let row = 0; row < rows; row++) {
    if (!levels.every(({ said }, level) => said[row]! >= thresholds[level]!)) continue
    covered++
    right += deepest.hits[row]!
  }
  const share = (count: number) => count / Math.max(rows, 1)
  return {
    rows,
    accuracy: levels.map(({ hits }) => share(hits.reduce((sum, hit) => sum + hit, 0))),
    top3: share(top[2]!),
    top5: share(top[4]!),
    ece: calibrationError(deepest.said, deepest.hits),
    thresholds,
    coverage: share(covered),
    selectiveAccuracy: covered === 0 ? 0 : right / covered,
  }
}
