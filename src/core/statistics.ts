// What may be said of counts: intervals of shares, exact tests of pairs, quantiles. Pure arithmetic, no sampling.

export interface Interval {
  readonly low: number
  readonly high: number
}

/** Two-sided 95 % of a standard normal. */
const Z = 1.959964

/**
 * 95 % interval of a share of `right` among `of` items; [0, 1] of none.
 * Wilson 1927, "Probable inference, the law of succession, and statistical inference".
 */
export function wilson(right: number, of: number): Interval {
  if (of === 0) return { low: 0, high: 1 }
  const share = right / of
  const shrink = 1 + Z ** 2 / of
  const centre = (share + Z ** 2 / (2 * of)) / shrink
  const half = (Z / shrink) * Math.sqrt((share * (1 - share)) / of + Z ** 2 / (4 * of ** 2))
  return { low: right === 0 ? 0 : Math.max(0, centre - half), high: right === of ? 1 : Math.min(1, centre + half) }
}

/**
 * Two-sided p that two classifiers are right equally often, from the items on which only one of them is right: the exact
 * binomial form of McNemar 1947, "Note on the sampling error of the difference between correlated proportions".
 */
export function mcNemar(onlyFirst: number, onlySecond: number): number {
  const pairs = onlyFirst + onlySecond
  const fewer = Math.min(onlyFirst, onlySecond)
  // Terms of the binomial, largest last, in logarithms: 2^-pairs is no number beyond 1,074 pairs.
  let log = -pairs * Math.LN2
  let tail = Math.exp(log)
  for (let k = 1; k <= fewer; k++) {
    log += Math.log((pairs - k + 1) / k)
    tail += Math.exp(log)
  }
  return Math.min(1, 2 * tail)
}

/**
 * 95 % interval of the difference of two shares over the same `of` items: Wald's with half an item added to each cell
 * (Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions").
 */
export function pairedDifference(onlyFirst: number, onlySecond: number, of: number): Interval {
  const n = of + 2
  const centre = (onlyFirst - onlySecond) / n
  const half = (Z * Math.sqrt(onlyFirst + onlySecond + 1 - (onlyFirst - onlySecond) ** 2 / n)) / n
  return { low: Math.max(-1, centre - half), high: Math.min(1, centre + half) }
}

/** Holm 1979: the p-values, in order, such that rejecting those below α errs anywhere with at most α. */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, index) => index).sort((a, b) => ps[a]! - ps[b]!)
  const adjusted = ps.slice()
  let most = 0
  order.forEach((index, rank) => {
    most = Math.max(most, Math.min(1, (ps.length - rank) * ps[index]!))
    adjusted[index] = most
  })
  return adjusted
}

/** The smallest value that at least `share` of the values do not exceed (nearest rank); `share` in (0, 1]. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)]
}
