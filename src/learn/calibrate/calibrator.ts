// Fits a calibrator to what a model says of labelled rows. Fits only; rows that judge it must be others.
import { fitIsotonic } from '../../core/calibration/isotonic.ts'
import { riskCoverageArea } from '../../core/calibration/reliability.ts'
import {
  logMarginals,
  powerScaling,
  scaledRow,
  temperatureScaling,
  vectorScaling,
} from '../../core/calibration/scaling.ts'
import { decode, decoded } from '../../core/lexical/decode.ts'
import type { Isotonic } from '../../core/calibration/isotonic.ts'
import type { JointRows, Scaling } from '../../core/calibration/scaling.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { AnsweredRows } from './score.ts'

export const METHODS = ['temperature', 'isotonic', 'vector'] as const
export type Method = (typeof METHODS)[number]

export interface Calibrator {
  readonly method: Method
  /** Goes into the graph. */
  readonly scaling: Scaling | undefined
  /** Per level; applied to an answer's probabilities after the graph. */
  readonly isotonic: readonly Isotonic[] | undefined
  /** What the fit found, in a few words. */
  readonly found: string
}

/** Powers to choose from: sharper distributions rank answers by what the runner-up has, see `powerScaling`. */
const POWERS = [1, 1.5, 2, 3]

/**
 * temperature: per level, on what the level adds. vector: a weight and a bias per node. isotonic: the power of the joint
 * distribution that ranks best (least area under risk–coverage), then a monotone map per level. Where the distribution
 * is `fixed` the power is 1, and the answers stay those that the model gave.
 */
export function fitCalibrator(
  method: Method,
  data: AnsweredRows,
  tree: Tree,
  { fixed }: { readonly fixed: boolean },
): Calibrator {
  if (method === 'vector')
    return { method, scaling: vectorScaling(data, tree), isotonic: undefined, found: 'a weight and a bias per node' }
  if (method === 'temperature') {
    const { scaling, temperatures } = temperatureScaling(data, tree)
    const found = `temperatures ${temperatures.map((one) => one.toFixed(2)).join(', ')}`
    return { method, scaling, isotonic: undefined, found }
  }
  const tried = (fixed ? [1] : POWERS).map((power) => {
    const answers = answersOf(scaled(data, tree, powerScaling(tree, power)), tree, fixed ? data.answered : undefined)
    return { power, answers, area: riskCoverageArea(answers.probabilities.at(-1)!, answers.hits.at(-1)!) }
  })
  const best = tried.reduce((a, b) => (b.area < a.area ? b : a))
  return {
    method,
    scaling: best.power === 1 ? undefined : powerScaling(tree, best.power),
    isotonic: best.answers.probabilities.map((own, level) => fitIsotonic(own, best.answers.hits[level]!)),
    found: `monotone maps after the power ${best.power}`,
  }
}

/** The distributions of all rows after scaling. */
export function scaled(data: JointRows, tree: Tree, scaling: Scaling): JointRows {
  const logs = logMarginals(data, tree)
  const joint = new Float32Array(data.joint.length)
  const out = new Float64Array(tree.paths)
  for (let row = 0; row < data.rows; row++) {
    scaledRow(logs, row, tree, scaling, out)
    joint.set(out, row * tree.paths)
  }
  return { ...data, joint }
}

/** Of the paths answered, or of the most probable ones. */
function answersOf({ rows, joint, gold }: JointRows, tree: Tree, answered: Int32Array | undefined) {
  const out = decoded(rows, tree, 1)
  for (let row = 0; row < rows; row++) {
    const only = answered && new Float32Array(tree.paths).fill(1, answered[row], answered[row]! + 1)
    decode(joint, row, tree, 1, out, row, only)
  }
  const levels = tree.nodes.map((_, level) => level)
  return {
    probabilities: levels.map((level) => Float32Array.from(gold, (_, row) => out.levels[row * tree.levels + level]!)),
    hits: levels.map((level) => {
      const nodeOf = tree.nodeOf[level]!
      return Uint8Array.from(gold, (path, row) => (path >= 0 && nodeOf[out.best[row]!] === nodeOf[path] ? 1 : 0))
    }),
  }
}
