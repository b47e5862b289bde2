// Thresholds that a training proposes from its own validation rows: certified where these are enough, else the loosest
// that look right. Where the distribution was sharpened, also the maps that make its probabilities calibrated again.
// Pure.
import { certify, thresholdGrid } from './certificate.ts'
import { fitIsotonic, isotonicAt, isotonicLevels } from './isotonic.ts'
import type { Certificate } from './certificate.ts'
import type { Isotonic } from './isotonic.ts'

/** The most that the chance of missing the precision may be, of thresholds that a training proposes. */
const DELTA = 0.05

/** One level's probabilities of the answers, and 1 where the path is right down to it, a row each. */
export interface LevelHits {
  readonly probabilities: Float32Array
  readonly hits: Uint8Array
}

export interface Proposal {
  /** Per level, l1 first, of probabilities as served. */
  readonly thresholds: readonly number[]
  /** Undefined where the rows do not certify the precision: the thresholds then only looked right on them. */
  readonly certificate: Certificate | undefined
  /** Per level; what serving does to an answer's probabilities. Undefined where nothing was sharpened. */
  readonly isotonic: readonly Isotonic[] | undefined
  /** The given levels as served. */
  readonly served: readonly LevelHits[]
  /** For people: what was certified, or why not. */
  readonly said: string
}

/**
 * `levels`: l1 first, of a distribution that was calibrated and then raised to `power` and scaled to one again. A power
 * above 1 ranks answers more by what the runner-up has, which ranks errors lower; the maps undo what it does to
 * calibration. A certificate counts the rows as if nothing had been fitted to them: a handful of temperatures hardly
 * matters, a choice among many models would; the maps do not, since they change no order.
 */
export function proposeThresholds(levels: readonly LevelHits[], precision: number, power = 1): Proposal {
  const { probabilities, hits } = levels.at(-1)!
  const target = { precision, delta: DELTA }
  const isotonic = power === 1 ? undefined : mapsOf(levels)
  const served = isotonic === undefined ? levels : mapped(levels, isotonic)
  const grid = thresholdGrid({ precision: 1 - (1 - precision) / power, delta: DELTA }).map(sharpened(power))
  const certified = certify(probabilities, hits, grid, target)
  if (certified.kind === 'certified') {
    const map = (threshold: number) => (isotonic === undefined ? threshold : isotonicAt(isotonic.at(-1)!, threshold))
    const { bound, errors, passed, threshold } = certified.certificate
    const certificate = { ...certified.certificate, threshold: map(threshold), grid: grid.map(map) }
    const share = `${(100 * bound).toFixed(1)} %`
    const said = `certified: at least ${share} right, chance of failing ${DELTA} (${errors} errors in ${passed} validation rows)`
    return { thresholds: levels.map(() => certificate.threshold), certificate, isotonic, served, said }
  }
  const needed = certified.needed === undefined ? '' : `; about ${certified.needed} rows are needed`
  return {
    thresholds: served.map((level) => loosestThreshold(level.probabilities, level.hits, precision)),
    certificate: undefined,
    isotonic,
    served,
    said: `not certified (${certified.why}${needed}): \`sluice calibrate\` certifies on labelled rows of the live tail`,
  }
}

/** For people: files keep every digit. */
export function thresholdsText(thresholds: readonly number[]): string {
  return thresholds.map((one) => Number(one.toPrecision(4))).join(' / ')
}

/** For people, of thresholds that no certificate stands behind: what they are, and what makes more of them. */
export function uncertifiedText(thresholds: readonly number[]): string {
  return `proposed thresholds ${thresholdsText(thresholds)}, not certified: they only looked right on the rows held back; \`sluice calibrate --model DIR --data FILE\` certifies some on labelled rows of the live tail`
}

/** What a threshold becomes where a distribution is raised to a power, if one runner-up holds all that is left. */
function sharpened(power: number): (threshold: number) => number {
  return (threshold) => 1 / (1 + ((1 - threshold) / threshold) ** power)
}

/** A map per level; those above never give less than the one below, as the probabilities that they map. */
function mapsOf(levels: readonly LevelHits[]): Isotonic[] {
  const maps = levels.map(({ probabilities, hits }) => rising(fitIsotonic(probabilities, hits)))
  for (let level = maps.length - 2; level >= 0; level--) maps[level] = atLeast(maps[level]!, maps[level + 1]!)
  return maps
}

/** Through the higher of two maps at the points of both: between these, a chord lies above what it joins. */
function atLeast(map: Isotonic, least: Isotonic): Isotonic {
  const at = [...new Set([...map.at, ...least.at])].sort((a, b) => a - b)
  return { at, value: at.map((one) => Math.max(isotonicAt(map, one), isotonicAt(least, one))) }
}

/** The map with its ends drawn to 0 and 1, so that it rises everywhere and no two thresholds become one. */
function rising({ at, value }: Isotonic): Isotonic {
  const low = at[0]! > 0 && value[0]! > 0
  const high = at.at(-1)! < 1 && value.at(-1)! < 1
  return {
    at: [...(low ? [0] : []), ...at, ...(high ? [1] : [])],
    value: [...(low ? [0] : []), ...value, ...(high ? [1] : [])],
  }
}

function mapped(levels: readonly LevelHits[], isotonic: readonly Isotonic[]): LevelHits[] {
  const rows = levels[0]!.hits.length
  const all = new Float32Array(rows * levels.length)
  levels.forEach(({ probabilities }, level) =>
    probabilities.forEach((one, row) => (all[row * levels.length + level] = one)),
  )
  isotonicLevels(isotonic, all)
  return levels.map(({ hits }, level) => ({
    hits,
    probabilities: Float32Array.from(hits, (_, row) => all[row * levels.length + level]!),
  }))
}

/**
 * The loosest threshold, in steps of .01, at which answers with at least that probability are right in at least the
 * share `precision`; .99 where none is. The share is what was seen, not a certified bound.
 */
export function loosestThreshold(probabilities: ArrayLike<number>, hits: ArrayLike<number>, precision: number): number {
  const steps = 100
  const covered = new Float64Array(steps + 1)
  const right = new Float64Array(steps + 1)
  for (let index = 0; index < probabilities.length; index++) {
    const step = Math.max(0, Math.min(steps, Math.floor(probabilities[index]! * steps)))
    covered[step]! += 1
    right[step]! += hits[index]!
  }
  let loosest = steps - 1
  let coveredAbove = 0
  let rightAbove = 0
  for (let step = steps; step >= 0; step--) {
    coveredAbove += covered[step]!
    rightAbove += right[step]!
    if (coveredAbove > 0 && rightAbove >= precision * coveredAbove) loosest = Math.min(loosest, step)
  }
  return loosest / steps
}
