// How good a model is on rows it never saw, from the probabilities it gave: accuracy, top k, thresholds, calibration.
// Works on the joint distribution over paths, whatever kind of model it comes from. Fits only the thresholds and, where
// the distribution was sharpened, the maps that go with them.
import { proposeThresholds } from '../core/calibration/propose.ts'
import { jointRow } from '../core/calibration/temperature.ts'
import { decode, decoded } from '../core/lexical/decode.ts'
import { calibrationError } from '../core/metrics.ts'
import type { Certificate } from '../core/calibration/certificate.ts'
import type { Isotonic } from '../core/calibration/isotonic.ts'
import type { NearnessWeights } from '../core/calibration/nearness.ts'
import type { LevelLogits } from '../core/calibration/temperature.ts'
import type { Tree } from '../core/lexical/tree.ts'

export interface Judgement {
  readonly rows: number
  /** Per level, l1 first; a deeper level counts only where the whole path is right. */
  readonly accuracy: readonly number[]
  /** Share of rows whose gold path is among the 3 and the 5 most probable. */
  readonly top3: number
  readonly top5: number
  /** Of the deepest level, as served. */
  readonly ece: number
  /** Per level: certified where the rows are enough, else the loosest that look right; `promise` says which. */
  readonly thresholds: readonly number[]
  readonly certificate: Certificate | undefined
  readonly promise: string
  /** Per level, what serving does to an answer's probabilities; undefined: nothing. */
  readonly isotonic: readonly Isotonic[] | undefined
  /** Per level, before it: see `Proposal`. */
  readonly nearness: readonly NearnessWeights[] | undefined
  /** Share of rows at or above all thresholds, and the share of those that is wholly right. */
  readonly coverage: number
  readonly selectiveAccuracy: number
}

const SHORTLIST = 5

/** Distributions over the paths, a row each, of which no more than one need be there at once. */
export interface Distributions {
  /** The path of each row. */
  readonly gold: Int32Array
  /** [paths]; it may become another row's with the next call. */
  readonly of: (row: number) => Float32Array
}

/** Of `probabilities` [rows × paths]. */
export function distributions(probabilities: Float32Array, gold: Int32Array, { paths }: Tree): Distributions {
  return { gold, of: (row) => probabilities.subarray(row * paths, (row + 1) * paths) }
}

export function distributionsOf(logits: LevelLogits, tree: Tree, temperatures: readonly number[]): Distributions {
  const joint = new Float64Array(tree.paths)
  const own = new Float32Array(tree.paths)
  const of = (row: number) => {
    jointRow(logits, row, tree, temperatures, joint)
    own.set(joint)
    return own
  }
  return { gold: logits.gold, of }
}

/**
 * `power`: what the distributions were raised to when they were made; `nearnessOf`: of a row and its answer, per level; see
 * `proposeThresholds`.
 */
export function judge(
  { gold, of }: Distributions,
  tree: Tree,
  precision: number,
  power = 1,
  nearnessOf?: (row: number, path: number) => Float32Array,
): Judgement {
  const rows = gold.length
  const shortlist = Math.min(SHORTLIST, tree.paths)
  const out = decoded(1, tree, shortlist)
  const top = [0, 0, 0, 0, 0]
  const levels = tree.nodes.map(() => ({ probabilities: new Float32Array(rows), hits: new Uint8Array(rows) }))
  const nearness = nearnessOf && tree.nodes.map(() => new Float32Array(rows))
  for (let row = 0; row < rows; row++) {
    decode(of(row), 0, tree, shortlist, out, 0)
    const rank = out.best.indexOf(gold[row]!)
    if (rank >= 0) top[rank]! += 1
    levels.forEach(({ probabilities: said, hits }, level) => {
      const nodeOf = tree.nodeOf[level]!
      said[row] = out.levels[level]!
      hits[row] = nodeOf[out.best[0]!] === nodeOf[gold[row]!] ? 1 : 0
    })
    nearnessOf?.(row, out.best[0]!).forEach((near, level) => (nearness![level]![row] = near))
  }
  const proposal = proposeThresholds(levels, precision, power, nearness)
  const { served, thresholds } = proposal
  const deepest = served.at(-1)!
  let covered = 0
  let right = 0
  for (let row = 0; row < rows; row++) {
    if (!served.every((own, level) => own.probabilities[row]! >= thresholds[level]!)) continue
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
    certificate: proposal.certificate,
    promise: proposal.said,
    isotonic: proposal.isotonic,
    nearness: proposal.nearness,
    coverage: share(covered),
    selectiveAccuracy: covered === 0 ? 0 : right / covered,
  }
}
