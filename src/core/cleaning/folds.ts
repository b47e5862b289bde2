// Which rows are held out together: near-duplicates always are, so that no model judges a row whose twin it has seen.
import { hash32 } from '../random.ts'

/**
 * The fold of each row, 0 … folds − 1, as even as whole groups allow: groups in an order drawn by the seed, each to
 * the emptiest fold. Depends on the numbers of the groups, not on the order of the rows.
 */
export function foldsOf(groups: Int32Array, folds: number, seed: number): Int32Array {
  const sizes = new Map<number, number>()
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1)
  const drawn = [...sizes.keys()].map((group) => ({ group, draw: hash32(String(group), seed) }))
  drawn.sort((a, b) => a.draw - b.draw || a.group - b.group)
  const filled = Array.from({ length: folds }, () => 0)
  const foldOf = new Map<number, number>()
  for (const { group } of drawn) {
    const emptiest = filled.indexOf(Math.min(...filled))
    foldOf.set(group, emptiest)
    filled[emptiest]! += sizes.get(group)!
  }
  return Int32Array.from(groups, (group) => foldOf.get(group)!)
}
