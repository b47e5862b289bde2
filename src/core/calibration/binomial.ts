// Exact statements about a share that was seen in trials: tails of the binomial and the bounds of Clopper and Pearson.
// Pure numbers; the incomplete beta function is accurate to about 1e-12 for up to a million trials.

/** Lanczos (1964), g = 7, nine coefficients: ln Γ(x) to about 15 digits for x > 0. */
const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
  1.505_632_735_149_311_6e-7,
]

function lnGamma(x: number): number {
  const z = x - 1
  let sum = LANCZOS[0]!
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (z + i)
  const t = z + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum)
}

/**
 * Regularised incomplete beta function I_x(a, b) for a, b > 0 and x in [0, 1]: the continued fraction of DLMF 8.17.22,
 * evaluated by Lentz's method as Thompson and Barnett (1986) modified it, on the side where it converges fast.
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b
}

const STEPS_MAX = 100_000

function fraction(x: number, a: number, b: number): number {
  const tiny = 1e-300
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let value = d
  for (let m = 1; m < STEPS_MAX; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    value *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    value *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return value
}

/** P(at most `errors` in `trials` | each is one with probability `rate`). */
export function binomialTail(errors: number, trials: number, rate: number): number {
  if (errors >= trials) return 1
  return errors < 0 ? 0 : incompleteBeta(1 - rate, trials - errors, errors + 1)
}

/**
 * The share of hits that is exceeded with confidence 1 − delta when `errors` of `trials` missed: the one-sided lower
 * bound of Clopper and Pearson (1934), the value p at which P(at most `errors` | 1 − p) = delta. 0 for no trials.
 */
export function lowerBound(errors: number, trials: number, delta: number): number {
  if (trials === 0 || errors >= trials) return 0
  let low = 0
  let high = 1
  // Bisection to the last bit: the tail rises with the share of hits.
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (binomialTail(errors, trials, 1 - middle) < delta) low = middle
    else high = middle
  }
  return low
}

/** The two-sided interval of Clopper and Pearson for a share of `hits` in `trials`: [0, 1] for no trials. */
export function shareInterval(hits: number, trials: number, confidence = 0.95): readonly [number, number] {
  const half = (1 - confidence) / 2
  return [lowerBound(trials - hits, trials, half), 1 - lowerBound(hits, trials, half)]
}

/**
 * The fewest trials that certify `precision` with confidence 1 − delta when hits come at the rate `seen`;
 * undefined where `seen` is not above `precision` or a million trials do not do.
 */
export function trialsNeeded(precision: number, delta: number, seen: number): number | undefined {
  const enough = (trials: number) => binomialTail(Math.ceil(trials * (1 - seen) - 1e-9), trials, 1 - precision) <= delta
  const most = 1_000_000
  if (precision >= 1 || seen <= precision || !enough(most)) return undefined
  let low = 0
  let high = most
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (enough(middle)) high = middle
    else low = middle
  }
  return high
}
