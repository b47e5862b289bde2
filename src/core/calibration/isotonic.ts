// Isotonic regression: the best calibration that never turns an order round. Fits points, applies straight lines between.
// Pure; wants some hundreds of rows before it is better than a temperature.

/** A map that never falls: value[i] at at[i], straight lines between, constant outside. `at` rises strictly. */
export interface Isotonic {
  readonly at: readonly number[]
  readonly value: readonly number[]
}

interface Pool {
  readonly scores: number
  readonly hits: number
  readonly rows: number
}

/**
 * Pools adjacent violators (Ayer et al. 1955; for calibration Zadrozny and Elkan, KDD 2002): the non-decreasing fit of
 * hits (0 or 1, or shares) to scores that has the least squared error. Equal scores are one point. A pool becomes a
 * point at its mean score, so that scores between pools keep their order. No rows: the identity on [0, 1].
 */
export function fitIsotonic(scores: ArrayLike<number>, hits: ArrayLike<number>): Isotonic {
  if (scores.length === 0) return { at: [0, 1], value: [0, 1] }
  const order = Array.from({ length: scores.length }, (_, row) => row).sort((a, b) => scores[a]! - scores[b]!)
  const pools: Pool[] = []
  for (let from = 0, to = 0; from < order.length; from = to) {
    let sum = 0
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) sum += hits[order[to++]!]!
    let pool = { scores: scores[order[from]!]! * (to - from), hits: sum, rows: to - from }
    for (let below = pools.at(-1); below !== undefined && mean(below) >= mean(pool); below = pools.at(-1)) {
      pools.pop()
      pool = { scores: below.scores + pool.scores, hits: below.hits + pool.hits, rows: below.rows + pool.rows }
    }
    pools.push(pool)
  }
  return { at: pools.map(({ scores: sum, rows }) => sum / rows), value: pools.map(mean) }
}

const mean = ({ hits, rows }: Pool): number => hits / rows

/** The map at a score; NaN stays NaN. */
export function isotonicAt({ at, value }: Isotonic, score: number): number {
  const last = at.length - 1
  if (score <= at[0]!) return value[0]!
  if (score >= at[last]!) return value[last]!
  let low = 0
  let high = last
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (at[middle]! <= score) low = middle
    else high = middle
  }
  const share = (score - at[low]!) / (at[high]! - at[low]!)
  // just below at[high], rounding may carry the sum a last bit beyond value[high]
  return Math.min(value[low]! + share * (value[high]! - value[low]!), value[high]!)
}

/** Maps the probabilities of many answers [rows × levels] in place; they still never rise with depth. */
export function isotonicLevels(maps: readonly Isotonic[], probabilities: Float32Array): void {
  for (let at = 0; at < probabilities.length; at++) {
    const level = at % maps.length
    const mapped = isotonicAt(maps[level]!, probabilities[at]!)
    probabilities[at] = level === 0 ? mapped : Math.min(mapped, probabilities[at - 1]!)
  }
}
