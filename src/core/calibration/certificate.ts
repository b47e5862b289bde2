// Thresholds that keep a promise: the loosest whose precision is certified on labelled rows.
// Pure. The thresholds to test are fixed before these rows are looked at, or the certificate means nothing.
import { binomialTail, lowerBound, trialsNeeded } from './binomial.ts'

export interface Target {
  /** Share of the answers that pass the gate which is to be right down to the deepest level, in (0, 1). */
  readonly precision: number
  /** The most that the chance of missing that share may be, in (0, 1). */
  readonly delta: number
}

/** What was certified and how; goes into the manifest as it is. */
export interface Certificate extends Target {
  readonly method: 'fixed-sequence'
  readonly bound: number
  /** The deepest level's threshold; the other levels' probabilities are never lower, so it decides. */
  readonly threshold: number
  /** Labelled rows that were looked at; of these, `passed` clear the threshold, `errors` of them wrongly. */
  readonly rows: number
  readonly passed: number
  readonly errors: number
  /** Thresholds in the order of testing, strict to loose; testing stopped after `tested` of them. */
  readonly grid: readonly number[]
  readonly tested: number
}

export type Certified =
  | { readonly kind: 'certified'; readonly certificate: Certificate }
  | {
      readonly kind: 'refused'
      readonly why: string
      /** About how many labelled rows would do; undefined where no number would. */
      readonly needed: number | undefined
      /** Rows that pass the strictest threshold. */
      readonly passed: number
    }

/**
 * Walks the grid from strict to loose while the precision of the rows that pass is certified: the one-sided bound of
 * Clopper and Pearson at 1 − delta is at least the target. Stops at the first threshold that fails and gives the one
 * before. That is fixed-sequence testing, the simplest of the sequential tests of "Learn then Test" (Angelopoulos et al.
 * 2021): the chance that the promise fails is at most delta for the whole walk, without a correction for the number of
 * thresholds, as long as the grid does not depend on these rows and they are drawn like what is served. `probabilities`
 * and `hits` (1 right, 0 wrong) are the deepest level's, one a row; NaN never passes. Throws RangeError where the grid
 * does not fall.
 */
export function certify(
  probabilities: ArrayLike<number>,
  hits: ArrayLike<number>,
  grid: readonly number[],
  { precision, delta }: Target,
): Certified {
  if (grid.length === 0 || grid.some((threshold, at) => at > 0 && !(threshold < grid[at - 1]!)))
    throw new RangeError('the thresholds of a grid fall strictly, and there is at least one')
  const seen = countPassing(probabilities, hits, grid)
  let tested = 0
  while (tested < grid.length) {
    const { passed, errors } = seen[tested++]!
    if (passed === 0 || binomialTail(errors, passed, 1 - precision) > delta) break
  }
  const rows = probabilities.length
  const last = seen[tested - 1]!
  const held = last.passed > 0 && binomialTail(last.errors, last.passed, 1 - precision) <= delta
  const best = held ? tested - 1 : tested - 2
  if (best < 0) return refusal(seen, rows, { precision, delta })
  const { passed, errors } = seen[best]!
  const bound = lowerBound(errors, passed, delta)
  const certificate = { precision, delta, bound, threshold: grid[best]!, rows, passed, errors, grid, tested }
  return { kind: 'certified', certificate: { method: 'fixed-sequence', ...certificate } }
}

interface Passing {
  readonly passed: number
  readonly errors: number
}

/** What passes each threshold of a falling grid. */
function countPassing(probabilities: ArrayLike<number>, hits: ArrayLike<number>, grid: readonly number[]): Passing[] {
  const seen = grid.map(() => ({ passed: 0, errors: 0 }))
  for (let row = 0; row < probabilities.length; row++) {
    const first = firstAtMost(grid, probabilities[row]!)
    if (first === grid.length) continue
    seen[first]!.passed += 1
    seen[first]!.errors += 1 - hits[row]!
  }
  for (let at = 1; at < seen.length; at++) {
    seen[at]!.passed += seen[at - 1]!.passed
    seen[at]!.errors += seen[at - 1]!.errors
  }
  return seen
}

/** The first place of a falling grid that is at most the value; its length where none is, and for NaN. */
function firstAtMost(grid: readonly number[], value: number): number {
  let low = 0
  let high = grid.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (grid[middle]! <= value) high = middle
    else low = middle + 1
  }
  return low
}

/** Shares of fewer rows than this say little about how many more are needed. */
const TELLING_ROWS = 20

function refusal(seen: readonly Passing[], rows: number, { precision, delta }: Target): Certified {
  const fewest = trialsNeeded(precision, delta, 1)!
  const { passed, errors } = seen[0]!
  const refused = (why: string, needed?: number): Certified => ({ kind: 'refused', why, needed, passed })
  const start = `${passed} of ${rows} rows pass the strictest threshold`
  // The walk never gets beyond a threshold that nothing reaches, however many rows there are.
  if (passed === 0 && rows >= fewest) return refused(`${start}: the model is never as sure as what is asked for`)
  const wrong = `${start}, ${errors} of them wrongly`
  const needs = seen
    .filter((one) => one.passed >= TELLING_ROWS)
    .map((one) => rowsNeeded(one, rows, { precision, delta }))
  const least = Math.min(...needs)
  const strictest = rowsNeeded(seen[0]!, rows, { precision, delta })
  if (Number.isFinite(least)) {
    if (!Number.isFinite(strictest) && least <= rows)
      return refused(`${wrong}; looser ones would hold, but what it is surest of is wrong too often to get there`)
    const needed = Number.isFinite(strictest) ? Math.max(least, strictest) : least
    return refused(`${wrong}: too few to be sure of it`, Math.max(rows + 1, Math.ceil(needed)))
  }
  if (needs.length > 0) return refused(`${wrong}; no threshold shows the precision that is asked for`)
  return refused(`${wrong}; ${fewest} without an error are the fewest that can do`, Math.max(fewest, rows + 1))
}

/** So that what passes is enough, if as many of it stay right; Infinity where too many are wrong. */
function rowsNeeded({ passed, errors }: Passing, rows: number, { precision, delta }: Target): number {
  const needed = passed === 0 ? undefined : trialsNeeded(precision, delta, 1 - errors / passed)
  return needed === undefined ? Infinity : needed * (rows / passed)
}

/** From one threshold of a grid to the next, what a calibrated model may be wrong in at most grows by this much. */
const GRID_GROWTH = 1.04

/**
 * Thresholds to test on calibrated probabilities: from where the last answer that passes is wrong half as often as
 * answers may be on the whole, down to nothing. `others`, if any, are probabilities of rows that the certificate
 * does not count: the walk then starts no stricter than where half as many again pass as must be certified at least,
 * given that `rows` will be looked at.
 */
export function thresholdGrid(
  { precision, delta }: Target,
  others: ArrayLike<number> = [],
  rows = 0,
): readonly number[] {
  const wrong = 1 - precision
  const fewest = (1.5 * trialsNeeded(precision, delta, 1)!) / Math.max(rows, 1)
  const sorted = Float64Array.from(others).sort()
  const reached = sorted[Math.max(0, Math.floor(sorted.length * (1 - Math.min(fewest, 1))))] ?? 1
  const start = Math.min(1 - wrong / 2, reached)
  const steps = Math.floor(Math.log(1 / (1 - start)) / Math.log(GRID_GROWTH))
  return Array.from({ length: steps + 1 }, (_, at) => 1 - (1 - start) * GRID_GROWTH ** at)
}
