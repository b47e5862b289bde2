// How good a model is on rows it never saw, from the probabilities it gave: accuracy, top k, thresholds, calibration.
// Works on the joint distribution over paths, whatever kind of model it comes from. Fits only the thresholds.
import { proposeThresholds } from '../core/calibration/propose.ts'
import { decode, decoded } from '../core/lexical/decode.ts'
import { calibrationError } from '../core/metrics.ts'
import type { Certificate } from '../core/calibration/certificate.ts'
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
  /** Per level: certified where the rows are enough, else the loosest that look right; `promise` says which. */
  readonly thresholds: readonly number[]
  readonly certificate: Certificate | undefined
  readonly promise: string
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
  const levels = tree.nodes.map(() => ({ probabilities: new Float32Array(rows), hits: new Uint8Array(rows) }))
  for (let row = 0; row < rows; row++) {
    decode(probabilities, row, tree, shortlist, out, row)
    const ranked = out.best.subarray(row * shortlist, (row + 1) * shortlist)
    const rank = ranked.indexOf(gold[row]!)
    if (rank >= 0) top[rank]! += 1
    levels.forEach(({ probabilities: said, hits }, level) => {
      const nodeOf = tree.nodeOf[level]!
      said[row] = out.levels[row * tree.levels + level]!
      hits[row] = nodeOf[ranked[0]!] === nodeOf[gold[row]!] ? 1 : 0
    })
  }
  const { thresholds, certificate, said: promise } = proposeThresholds(levels, precision)
  const deepest = levels.at(-1)!
  let covered = 0
  let right = 0
  for (let row = 0; row < rows; row++) {
    if (!levels.every((own, level) => own.probabilities[row]! >= thresholds[level]!)) continue
    covered++
    right += deepest.hits[row]!
  }
  const share = (count: number) => count / Math.max(rows, 1)
  const among = (first: number) => share(top.slice(0, first).reduce((sum, count) => sum + count, 0))
  return {
    rows,
    accuracy: levels.map(({ hits }) => share(hits.reduce((sum, hit) => sum + hit, 0))),
    top3: among(3),
    top5: among(5),
    ece: calibrationError(deepest.probabilities, deepest.hits),
    thresholds,
    certificate,
    promise,
    coverage: share(covered),
    selectiveAccuracy: covered === 0 ? 0 : right / covered,
  }
}
