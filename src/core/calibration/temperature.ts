// Temperatures: one a level, so that probabilities over existing paths mean what they say.
// Pure; fits on what it is given, so it must never be given rows that a model is judged by.
import type { Tree } from '../lexical/tree.ts'

/** Validation rows: logits per level [rows × nodes of the level], l1 first, and the index of each row's gold path. */
export interface LevelLogits {
  readonly rows: number
  readonly logits: readonly Float32Array[]
  readonly gold: Int32Array
}

/**
 * The joint distribution over existing paths: softmax over paths of Σ logits(level, node) / temperature(level). Each
 * level's own normaliser is one constant per row and cancels. Writes row `row` into `out` [paths].
 */
export function jointRow(
  data: LevelLogits,
  row: number,
  tree: Tree,
  temperatures: readonly number[],
  out: Float64Array,
): void {
  softmax(out, tree.paths, scoreRow(data, row, tree, temperatures, out))
}

/** Writes Σ logits(level, node) / temperature(level) of each path into `out`; gives back the largest. */
function scoreRow(
  data: LevelLogits,
  row: number,
  tree: Tree,
  temperatures: readonly number[],
  out: Float64Array,
): number {
  out.fill(0, 0, tree.paths)
  tree.nodeOf.forEach((nodeOf, level) => {
    const logits = data.logits[level]!
    const first = row * tree.nodes[level]!
    const temperature = temperatures[level]!
    for (let path = 0; path < tree.paths; path++) out[path]! += logits[first + nodeOf[path]!]! / temperature
  })
  let most = -Infinity
  for (let path = 0; path < tree.paths; path++) if (out[path]! > most) most = out[path]!
  return most
}

/** Turns the first `count` scores into probabilities, in place; `most` is the largest of them. */
export function softmax(scores: Float64Array, count: number, most: number): void {
  let total = 0
  for (let at = 0; at < count; at++) total += scores[at] = Math.exp(scores[at]! - most)
  for (let at = 0; at < count; at++) scores[at]! /= total
}

/** Temperatures are fitted on evenly spread rows, of many at least so many and less than twice that: they are few numbers. */
const ROWS = 1000

/** A path's negative log-likelihood is at most this, so that a few rows that are all wrong decide nothing. */
const LOSS_MAX = -Math.log(1e-12)

/** Mean negative log-likelihood of the gold paths; Infinity where a logit is not finite. */
function jointLoss(data: LevelLogits, tree: Tree, temperatures: readonly number[]): number {
  const scores = new Float64Array(tree.paths)
  const stride = Math.max(1, Math.floor(data.rows / ROWS))
  let loss = 0
  let rows = 0
  for (let row = 0; row < data.rows; row += stride) {
    const most = scoreRow(data, row, tree, temperatures, scores)
    let total = 0
    for (let path = 0; path < tree.paths; path++) total += Math.exp(scores[path]! - most)
    loss += Math.min(most + Math.log(total) - scores[data.gold[row]!]!, LOSS_MAX)
    rows++
  }
  return Number.isFinite(loss) ? loss / Math.max(rows, 1) : Infinity
}

/**
 * One temperature per level that minimises `jointLoss` (temperature scaling: Guo et al. 2017, section 4.2, here over
 * the product of heads): coordinate descent on a shrinking logarithmic grid. Temperatures lie in [0.1, 100]; a level
 * that only disturbs the deeper ones gets a high one. `start`: where the search begins, per level.
 */
export function fitTemperatures(data: LevelLogits, tree: Tree, start = tree.nodes.map(() => tree.levels)): number[] {
  const temperatures = [...start]
  let best = jointLoss(data, tree, temperatures)
  for (let factor = 2; factor > 1.02; factor = Math.sqrt(factor)) {
    for (let level = tree.levels - 1; level >= 0; level--) {
      for (const step of [factor, 1 / factor]) {
        for (;;) {
          const kept = temperatures[level]!
          const tried = kept * step
          if (tried < 0.1 || tried > 100) break
          temperatures[level] = tried
          const loss = jointLoss(data, tree, temperatures)
          if (loss < best - 1e-7) best = loss
          else {
            temperatures[level] = kept
            break
          }
        }
      }
    }
  }
  return temperatures
}
