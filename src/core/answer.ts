// What a tier says about an item. An answer is never changed after it was given; a later one supersedes it.
import type { Tier } from './item.ts'
import type { LabelPath } from './labels.ts'

export interface Answer {
  readonly label: LabelPath
  /**
   * Calibrated probability per level, l1 first, each in [0, 1].
   * Empty where the tier asserts instead of estimating (llm, human, and what the exact cache kept of them).
   */
  readonly probabilities: readonly number[]
  /** The tier that produced the answer; an exact-cache hit has tier `exact` and the digest of what it kept. */
  readonly tier: Tier
  /** Digest of what produced the answer: model + label set + thresholds + prompt. */
  readonly digest: string
}

/** A path with its joint probability; short lists are sorted, most probable first. */
export interface Ranked {
  readonly label: LabelPath
  readonly probability: number
}

/** A tier's word on one item: an answer (sure or not; the gate decides) or a pass. */
export type Reply =
  | { readonly kind: 'pass' }
  | { readonly kind: 'answer'; readonly answer: Answer; readonly shortlist: readonly Ranked[] }

export const PASS: Reply = { kind: 'pass' }
