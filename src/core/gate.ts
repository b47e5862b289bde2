// The gate: an item passes when every level clears its own threshold.
import type { Answer } from './answer.ts'

export interface Gate {
  /** One threshold per level, l1 first, each in [0, 1]. */
  readonly thresholds: readonly number[]
}

/** Why an answer was not sure. Levels count from 1. */
export type GateMiss =
  | {
      readonly kind: 'below'
      /** The first level that missed, with what it had and what it needed. */
      readonly level: number
      readonly probability: number
      readonly threshold: number
      /** All levels, l1 first: for whoever wants to know how near it was. */
      readonly probabilities: readonly number[]
      readonly thresholds: readonly number[]
    }
  | { readonly kind: 'no-answer' }

/**
 * The first level that misses its threshold, or undefined when all clear theirs.
 * Asserted answers (no probabilities) pass: nothing was estimated, so there is nothing to compare.
 * A probability that is not a number never passes.
 */
export function gateMiss({ thresholds }: Gate, { probabilities }: Answer): GateMiss | undefined {
  for (let index = 0; index < probabilities.length; index++) {
    const probability = probabilities[index]!
    const threshold = thresholds[index] ?? 1
    if (!(probability >= threshold))
      return { kind: 'below', level: index + 1, probability, threshold, probabilities, thresholds }
  }
  return undefined
}
