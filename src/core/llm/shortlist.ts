// How many of the local model's paths are put before the LLM: for each item the fewest that hold enough probability.
// A sure model gives two or three, a doubtful one many; what is not among them costs a walk down the tree.
import type { Ranked } from '../answer.ts'

/** Fewer would be no choice. */
const LABELS_MIN = 2

export interface Covering {
  readonly labels: readonly Ranked[]
  /** Probability that the right path is among them, as the local model sees it, in [0, 1]. */
  readonly mass: number
}

/** The first paths of `ranked` (most probable first) that together reach `mass`, two at least and `max` at most. */
export function covering(ranked: readonly Ranked[], mass: number, max: number): Covering {
  let sum = 0
  let count = 0
  while (count < Math.min(ranked.length, max) && (sum < mass || count < LABELS_MIN)) sum += ranked[count++]!.probability
  return { labels: ranked.slice(0, count), mass: Math.min(1, sum) }
}
