// Thresholds that a training proposes from its own validation rows: certified where these are enough, else the loosest
// that look right. Where the distribution was sharpened or known titles are asked, also what makes probabilities of it.
// Pure.
import { certify, thresholdGrid } from './certificate.ts'
import { fitIsotonic, isotonicAt, isotonicLevels } from './isotonic.ts'
import { fitNearness, nearnessLevels, withNearness } from './nearness.ts'
import { riskCoverageArea } from './reliability.ts'
import type { Certificate } from './certificate.ts'
import type { Isotonic } from './isotonic.ts'
import type { NearnessWeights } from './nearness.ts'

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
  /** Per level; what serving does to an answer's probabilities. Undefined where nothing was sharpened or joined. */
  readonly isotonic: readonly Isotonic[] | undefined
  /** Per level: how serving, before these maps, joins an answer's probabilities with how near known titles lie. */
  readonly nearness: readonly NearnessWeights[] | undefined
  /** The given levels as served. */
  readonly served: readonly LevelHits[]
  /** For people: what was certified, or why not. */
  readonly said: string
}

/**
 * `levels`: l1 first, of a distribution that was calibrated and then raised to `power` and scaled to one again. A power
 * above 1 ranks answers more by what the runner-up has, which ranks errors lower; the maps undo what it does to
 * calibration. `nearness`: per level, of the titles that each row's fit knew; left alone unless it ranks answers better,
 * and mapped as well. A certificate counts the rows as if nothing had been fitted to them: a handful of temperatures or the
 * one weight that nearness has beside the model hardly matters, a choice among many models would; the maps do not, they
 * change no order.
 */
export function proposeThresholds(
  levels: readonly LevelHits[],
  precision: number,
  power = 1,
  nearness?: readonly Float32Array[],
): Proposal {
  const near = nearness && withNearTitles(levels, nearness)
  if (near === undefined) return { ...proposed(levels, precision, power, power !== 1), nearness: undefined }
  return { ...proposed(near.served, precision, 1, true), nearness: near.weights }
}

/**
 * Known titles are asked where their gain in likelihood would be chance once in a thousand (Wilks: half of χ² with one
 * degree), and where the area under risk–coverage falls by such a share, on rows that did not weigh them.
 */
const GAIN_MIN = { likelihood: 10.83 / 2, area: 0.02 }

/** Undefined where known titles do not rank answers better. */
function withNearTitles(levels: readonly LevelHits[], nearness: readonly Float32Array[]) {
  const { probabilities, hits } = levels.at(-1)!
  const near = nearness.at(-1)!
  const halves = [0, 1].map((half) => {
    const others = <T extends Float32Array | Uint8Array>(values: T) => values.filter((_, row) => row % 2 !== half)
    return fitNearness(others(probabilities), others(near), others(hits)).weights
  })
  const unseen = probabilities.map((own, row) => withNearness(halves[row % 2]!, own, near[row]!))
  if (riskCoverageArea(unseen, hits) > (1 - GAIN_MIN.area) * riskCoverageArea(probabilities, hits)) return undefined
  const fitted = levels.map((level, at) => fitNearness(level.probabilities, nearness[at]!, level.hits))
  if (fitted.at(-1)!.gain < GAIN_MIN.likelihood) return undefined
  const weights = fitted.map((own) => own.weights)
  const of = (values: (level: number) => Float32Array) => interleaved(levels.length, hits.length, values)
  const all = of((level) => levels[level]!.probabilities)
  nearnessLevels(
    weights,
    all,
    of((level) => nearness[level]!),
  )
  return { weights, served: apart(levels, all) }
}

function proposed(
  levels: readonly LevelHits[],
  precision: number,
  power: number,
  maps: boolean,
): Omit<Proposal, 'nearness'> {
  const { probabilities, hits } = levels.at(-1)!
  const target = { precision, delta: DELTA }
  const isotonic = maps ? mapsOf(levels) : undefined
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
  const all = interleaved(levels.length, levels[0]!.hits.length, (level) => levels[level]!.probabilities)
  isotonicLevels(isotonic, all)
  return apart(levels, all)
}

/** One value a level and row, as [rows × levels]. */
function interleaved(levels: number, rows: number, of: (level: number) => Float32Array): Float32Array {
  const all = new Float32Array(rows * levels)
  for (let level = 0; level < levels; level++) of(level).forEach((one, row) => (all[row * levels + level] = one))
  return all
}

/** The levels with the probabilities [rows × levels] in place of theirs. */
function apart(levels: readonly LevelHits[], all: Float32Array): LevelHits[] {
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
