// What a model's probabilities were worth: the share of hits per range of probability, each with its interval.
// Pure; looks only.
import { shareInterval } from './binomial.ts'

export interface Bin {
  readonly rows: number
  /** Mean probability and share of hits of the rows in the bin. */
  readonly probability: number
  readonly hits: number
  /** Clopper–Pearson, 95 %. */
  readonly interval: readonly [number, number]
}

/** Bins of equal width over [0, 1], the ones without rows left out; NaN counts nowhere. */
export function reliabilityBins(probabilities: ArrayLike<number>, hits: ArrayLike<number>, bins = 15): Bin[] {
  const rows = new Float64Array(bins)
  const sums = new Float64Array(bins)
  const right = new Float64Array(bins)
  for (let row = 0; row < probabilities.length; row++) {
    const probability = probabilities[row]!
    if (Number.isNaN(probability)) continue
    const bin = Math.max(0, Math.min(bins - 1, Math.ceil(probability * bins) - 1))
    rows[bin]! += 1
    sums[bin]! += probability
    right[bin]! += hits[row]!
  }
  return Array.from(rows, (count, bin) => ({
    rows: count,
    probability: sums[bin]! / count,
    hits: right[bin]! / count,
    interval: shareInterval(right[bin]!, count),
  })).filter((bin) => bin.rows > 0)
}

/** Mean of the errors among the most probable 1, 2, … rows: how well probabilities rank (area under risk–coverage). */
export function riskCoverageArea(probabilities: ArrayLike<number>, hits: ArrayLike<number>): number {
  const order = Array.from({ length: hits.length }, (_, row) => row)
  order.sort((a, b) => probabilities[b]! - probabilities[a]!)
  let errors = 0
  let area = 0
  order.forEach((row, at) => {
    errors += 1 - hits[row]!
    area += errors / (at + 1)
  })
  return area / Math.max(order.length, 1)
}
