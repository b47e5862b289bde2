// How many labels are wrong, estimated from what a model that never saw them is sure of.
import { confidence } from './confidence.ts'
import type { Tree } from '../lexical/tree.ts'
import type { Evidence } from './evidence.ts'

/**
 * Per level, the share of rows whose label is wrong down to there: the share off the diagonal of the confident joint
 * (Northcutt et al. 2021, section 3.1), counting a row where the best path's node is at least as probable as is normal
 * for the rows that carry it. An estimate: rows that are merely hard count too, rows the model errs on with the label
 * do not.
 */
export function estimatedNoise(evidence: Evidence, tree: Tree): number[] {
  const { own } = confidence(evidence, tree)
  return tree.nodeOf.map((nodeOf, level) => {
    let counted = 0
    let off = 0
    for (let row = 0; row < evidence.rows; row++) {
      const best = evidence.best[row]!
      if (best < 0) continue
      const node = nodeOf[best]!
      if (evidence.bestLevels[row * tree.levels + level]! < own[level]![node]!) continue
      counted++
      if (node !== nodeOf[evidence.given[row]!]) off++
    }
    return off / Math.max(counted, 1)
  })
}
