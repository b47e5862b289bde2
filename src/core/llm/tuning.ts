// What the calls so far teach about the next ones: how many items one may hold, and how long short lists must be.
// Old calls fade, so that a size that was given up is tried again some day.
import { wilson } from '../statistics.ts'

/** What one call showed. Only first asks count: those asked again are the hard ones. */
export interface Seen {
  /** Items of the call. */
  readonly size: number
  readonly asked: number
  /** Of `asked`, those without a valid answer. */
  readonly faults: number
  /** Short lists among them: the probability that they left out, summed up, and how many of them held no label that fits. */
  readonly leftOut: number
  readonly missed: number
  /** Answers that were asked again alone, by the size of the call that they were first given in. */
  readonly audits: readonly { readonly size: number; readonly same: boolean }[]
}

interface Rung {
  readonly size: number
  readonly asked: number
  readonly faults: number
  readonly audited: number
  readonly differed: number
}

export interface Tuning {
  /** By size, smallest first. */
  readonly rungs: readonly Rung[]
  readonly leftOut: number
  readonly missed: number
}

export interface SizeLimits {
  /** Share of the items of a call without a valid answer, and … */
  readonly call_faults_max: number
  /** … of those that get another answer when asked alone: beyond doubt above it, calls become smaller. */
  readonly call_disagreements_max: number
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500]
/** Each call takes this much weight from all before it: after some 1,400 calls a sixteenth is left. */
const FADING = 0.998
/** Misses that the promise of the local model is worth before there is any experience. */
const PRIOR = 5
const MASS_MIN = 0.5
const MASS_MAX = 0.999

export function untuned(items_per_call_max: number): Tuning {
  const sizes = [...STEPS.filter((size) => size < items_per_call_max), items_per_call_max]
  const none = { asked: 0, faults: 0, audited: 0, differed: 0 }
  return { rungs: sizes.map((size) => ({ size, ...none })), leftOut: 0, missed: 0 }
}

export function tuned(tuning: Tuning, seen: Seen): Tuning {
  const rungs = tuning.rungs.map((rung, at): Rung => {
    const isOurs = (size: number) => size >= rung.size && size < (tuning.rungs[at + 1]?.size ?? Infinity)
    const audits = seen.audits.filter(({ size }) => isOurs(size))
    const ours = isOurs(seen.size)
    return {
      size: rung.size,
      asked: FADING * rung.asked + (ours ? seen.asked : 0),
      faults: FADING * rung.faults + (ours ? seen.faults : 0),
      audited: FADING * rung.audited + audits.length,
      differed: FADING * rung.differed + audits.filter(({ same }) => !same).length,
    }
  })
  return { rungs, leftOut: FADING * tuning.leftOut + seen.leftOut, missed: FADING * tuning.missed + seen.missed }
}

/** Items of the next calls: the most of which nothing bad is known beyond doubt (95 %, Wilson). */
export function callSize({ rungs }: Tuning, { call_faults_max, call_disagreements_max }: SizeLimits): number {
  const good = rungs.findLast(
    ({ asked, faults, audited, differed }) =>
      wilson(faults, asked).low <= call_faults_max && wilson(differed, audited).low <= call_disagreements_max,
  )
  return good?.size ?? 1
}

/**
 * The mass that short lists must reach so that they hold the right path as often as `mass` promises: higher where they
 * missed it more often than the local model's probabilities said, lower where less often.
 */
export function massFor({ leftOut, missed }: Tuning, mass: number): number {
  const honesty = (missed + PRIOR) / (leftOut + PRIOR)
  return Math.min(MASS_MAX, Math.max(MASS_MIN, 1 - (1 - mass) / honesty))
}
