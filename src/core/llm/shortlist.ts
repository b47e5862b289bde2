// How many of the local model's paths are put before the LLM: for each item the fewest that hold enough probability.
// A sure model gives two or three, a doubtful one many; what is not among them costs a walk down the tree.
import type { Ranked } from '../answer.ts'

/**
 * The short list of an answer with the calibrated probability of its path: models calibrate the answer alone. What that
 * takes from the first path the others get in proportion, none more than the first. `leaf`: of the answer's last level.
 */
export function calibrated(ranked: readonly Ranked[], leaf: number): readonly Ranked[] {
  const [first, ...others] = ranked
  if (first === undefined || first.probability === leaf) return ranked
  const rest = Math.max(
    1 - first.probability,
    others.reduce((sum, { probability }) => sum + probability, 0),
  )
  const scale = rest > 0 ? (1 - leaf) / rest : 0
  const scaled = others.map((one) => ({ ...one, probability: Math.min(leaf, one.probability * scale) }))
  return [{ ...first, probability: leaf }, ...scaled]
}

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
