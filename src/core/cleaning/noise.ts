// How many labels are wrong, and what a model that learned from them would have said had they been right.
import { shareInterval } from '../calibration/binomial.ts'
import type { Tree } from '../lexical/tree.ts'
import type { Evidence } from './evidence.ts'

/** The share of the rows that the estimate looks at: those the model is surest of. */
const SUREST = 0.2

/**
 * Per level, the share of rows whose label is wrong down to there: how often the given label is another than the best
 * path's among the rows that the model is surest of, where it hardly errs itself. Right where wrong labels strike easy
 * and hard rows alike. (The confident joint of Northcutt et al. 2021 counts hard rows as wrong ones: on catalog and
 * mercadona-es with a known fifth of wrong leaves it said .35 and .42, this .21 and .25.)
 */
export function estimatedNoise(evidence: Evidence, tree: Tree): number[] {
  return surest(evidence, tree).map(({ rows, wrong }) => wrong / Math.max(rows, 1))
}

/** Per level, the most that the estimate may be wrong by chance: the upper end of its 95 % interval. */
export function noiseAtMost(evidence: Evidence, tree: Tree): number[] {
  return surest(evidence, tree).map(({ rows, wrong }) => shareInterval(wrong, rows)[1])
}

/** Per level, how many the surest rows are, and how many of them the model contradicts. */
function surest(evidence: Evidence, tree: Tree): { readonly rows: number; readonly wrong: number }[] {
  return tree.nodeOf.map((nodeOf, level) => {
    const sureness = (row: number) => evidence.bestLevels[row * tree.levels + level]!
    const rows = Array.from(evidence.best.keys()).filter((row) => evidence.best[row]! >= 0)
    const last = rows.map(sureness).sort((a, b) => b - a)[Math.ceil(SUREST * rows.length) - 1] ?? 1
    const taken = rows.filter((row) => sureness(row) >= last)
    const wrong = taken.filter((row) => nodeOf[evidence.best[row]!] !== nodeOf[evidence.given[row]!])
    return { rows: taken.length, wrong: wrong.length }
  })
}

/**
 * The probability that a name of a level is right, from the probability that a label says so, where a share `noise` of
 * the labels was replaced by any other of `nodes` names alike: q = (1 − noise) p + noise (1 − p) / (nodes − 1), solved
 * for p and kept within [0, 1] (the backward correction of Patrini et al. 2017, "Making Deep Neural Networks Robust to
 * Label Noise: A Loss Correction Approach", section 4.1).
 */
export function corrected(probability: number, noise: number, nodes: number): number {
  const floor = nodes > 1 ? noise / (nodes - 1) : 0
  const kept = 1 - noise - floor
  return kept <= 0 ? probability : Math.max(0, Math.min(1, (probability - floor) / kept))
}
