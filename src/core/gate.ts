// The gate: an item passes when every level clears its own threshold.
import type { Answer } from './answer.ts'

export interface Gate {
  /** One threshold per level, l1 first, each in [0, 1]. */
  readonly thresholds: readonly number[]
}

/** Why an answer was not sure. Levels count from 1. */
export type GateMiss =
  | { readonly kind: 'below'; readonly level: number; readonly probability: number; readonly threshold: number }
  | { readonly kind: 'no-answer' }

/**
 * The first level that misses its threshold, or undefined when all clear theirs.
 * Asserted answers (no probabilities) pass: nothing was estimated, so there is nothing to compare.
 * A probability that is not a number never passes.
 */
export function gateMiss(gate: Gate, answer: Answer): GateMiss | undefined {
  for (let index = 0; index < answer.probabilities.length; index++) {
    const probability = answer.probabilities[index]!
    const threshold = gate.thresholds[index] ?? 1
    if (!(probability >= threshold)) return { kind: 'below', level: index + 1, probability, threshold }
  }
  return undefined
}
