// Thresholds that a training proposes from its own validation rows: certified where these are enough, else the loosest
// that look right. Pure.
import { loosestThreshold } from '../calibration.ts'
import { certify, thresholdGrid } from './certificate.ts'
import type { Certificate } from './certificate.ts'

/** The most that the chance of missing the precision may be, of thresholds that a training proposes. */
const DELTA = 0.05

/** One level's probabilities of the answers, and 1 where the path is right down to it, a row each. */
export interface LevelHits {
  readonly probabilities: ArrayLike<number>
  readonly hits: ArrayLike<number>
}

export interface Proposal {
  /** Per level, l1 first. */
  readonly thresholds: readonly number[]
  /** Undefined where the rows do not certify the precision: the thresholds then only looked right on them. */
  readonly certificate: Certificate | undefined
  /** For people: what was certified, or why not. */
  readonly said: string
}

/**
 * `levels`: l1 first, calibrated. A certificate counts the rows as if nothing had been fitted to them; a handful of
 * temperatures hardly matters, a choice among many models would.
 */
export function proposeThresholds(levels: readonly LevelHits[], precision: number): Proposal {
  const { probabilities, hits } = levels.at(-1)!
  const target = { precision, delta: DELTA }
  const certified = certify(probabilities, hits, thresholdGrid(target), target)
  if (certified.kind === 'certified') {
    const { certificate } = certified
    const { bound, errors, passed } = certificate
    const share = `${(100 * bound).toFixed(1)} %`
    const said = `certified: at least ${share} right, chance of failing ${DELTA} (${errors} errors in ${passed} validation rows)`
    return { thresholds: levels.map(() => certificate.threshold), certificate, said }
  }
  const needed = certified.needed === undefined ? '' : `; about ${certified.needed} rows are needed`
  return {
    thresholds: levels.map((level) => loosestThreshold(level.probabilities, level.hits, precision)),
    certificate: undefined,
    said: `not certified (${certified.why}${needed}): \`sluice calibrate\` certifies on labelled rows of the live tail`,
  }
}
