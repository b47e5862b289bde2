// From a probability per existing path to an answer: the best path, the probability of its node at each level, the
// runners-up. Only paths that exist have a probability, so a path that does not exist cannot be answered.
import type { Tree } from './tree.ts'

/** Results of many rows side by side. */
export interface Decoded {
  /** [rows × shortlist]: path indices, most probable first; −1 throughout a row whose probabilities are not finite. */
  readonly best: Int32Array
  /** [rows × shortlist]: their joint probabilities. */
  readonly scores: Float32Array
  /** [rows × levels]: probability of the best path's node at each level, l1 first; never increases with depth. */
  readonly levels: Float32Array
}

export function decoded(rows: number, tree: Tree, shortlist: number): Decoded {
  return {
    best: new Int32Array(rows * shortlist).fill(-1),
    scores: new Float32Array(rows * shortlist),
    levels: new Float32Array(rows * tree.levels),
  }
}

/**
 * Decodes row `from` of `probabilities` [… × paths] into row `to` of `out`. The joint distribution over existing paths
 * is given; a node's probability is its marginal. `factors` [paths], if any, weigh the paths in choosing and ranking
 * (a decision against the prior); the probabilities that come out are the given ones all the same. `shortlist` is at least 1 and at most the number of paths.
 */
export function decode(
  probabilities: Float32Array,
  from: number,
  tree: Tree,
  shortlist: number,
  out: Decoded,
  to: number,
  factors?: Float64Array | Float32Array,
): void {
  const { paths, levels } = tree
  const base = from * paths
  const at = to * shortlist
  if (factors === undefined) {
    if (!top(probabilities, base, paths, shortlist, out, at)) return
  } else {
    const weighed = Float32Array.from(factors, (factor, path) => factor * probabilities[base + path]!)
    if (!top(weighed, 0, paths, shortlist, out, at)) return
    for (let rank = at; rank < at + shortlist; rank++) out.scores[rank] = probabilities[base + out.best[rank]!]!
  }
  const winner = out.best[at]!
  for (let level = 0; level < levels; level++) {
    const node = tree.nodeOf[level]![winner]!
    const first = tree.firstOf[level]!
    let sum = 0
    for (let path = first[node]!; path < first[node + 1]!; path++) sum += probabilities[base + path]!
    out.levels[to * levels + level] = Math.min(sum, 1)
  }
}

/** Keeps the `size` best by insertion; false, and nothing kept, where a value is not finite. Ties: lowest path first. */
function top(values: Float32Array, base: number, count: number, size: number, out: Decoded, at: number): boolean {
  const { best, scores } = out
  let kept = 0
  let least = -1
  let total = 0
  for (let path = 0; path < count; path++) {
    const value = values[base + path]!
    total += value
    if (value <= least && kept === size) continue
    let position = kept < size ? kept++ : size - 1
    while (position > 0 && scores[at + position - 1]! < value) {
      scores[at + position] = scores[at + position - 1]!
      best[at + position] = best[at + position - 1]!
      position--
    }
    scores[at + position] = value
    best[at + position] = path
    least = scores[at + kept - 1]!
  }
  if (Number.isFinite(total)) return true
  best.fill(-1, at, at + size)
  scores.fill(0, at, at + size)
  return false
}
