// How often the best path is right. Looks only; never changes weights.
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Tree } from '../../core/lexical/tree.ts'

/** Number of rows whose best path (by the sum of its levels' logits) is right down to each level, l1 first. */
export function rightPaths(data: LevelLogits, tree: Tree): number[] {
  const right = tree.nodes.map(() => 0)
  for (let row = 0; row < data.rows; row++) {
    let best = 0
    let most = -Infinity
    for (let path = 0; path < tree.paths; path++) {
      let score = 0
      for (let level = 0; level < tree.levels; level++)
        score += data.logits[level]![row * tree.nodes[level]! + tree.nodeOf[level]![path]!]!
      if (score > most) {
        most = score
        best = path
      }
    }
    for (let level = 0; level < tree.levels; level++)
      if (tree.nodeOf[level]![best] === tree.nodeOf[level]![data.gold[row]!]) right[level]! += 1
  }
  return right
}
