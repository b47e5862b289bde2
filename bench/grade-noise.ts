// How far any model can get on labels cut from the mean of three raters: homedepot's `grade` is such a mean.
//   node bench/grade-noise.ts [--data FILE.jsonl[.gz]]
// Model of the raters (ordered probit): a pair has a latent relevance u ~ N(0, τ²); each of three raters sees u + N(0, 1)
// and says 1, 2 or 3 by two thresholds. τ and the thresholds are fitted to how often each mean occurs; then a judge who
// knows u exactly is asked for the most probable label. What that judge gets wrong is noise of the labels under this
// model; a real pair may be less or more disputed than the model lets it be, so this is an estimate and not a bound.
import { join } from 'node:path'
import { readLines } from '../src/adapters/files/rows.ts'
import { benchArguments, present } from './support/arguments.ts'

const usual = join(import.meta.dirname, '../../shared/data/homedepot.jsonl.gz')
const { values } = benchArguments({ data: { type: 'string', default: usual } })
present(values.data)

const RATERS = 3
/** Sums of three votes of 1, 2 or 3: 3 … 9. */
const SUMS = 2 * RATERS + 1
/** homedepot's classes by sum of votes: irrelevant up to a mean of 1.33, exact from 2.67 (the few means of four are rounded). */
const CLASS_OF_SUM = [0, 0, 1, 1, 1, 2, 2]
const CLASSES = 3
/** Points of the standard normal that stand for u / τ, with their weights. */
const POINTS = Array.from({ length: 241 }, (_, at) => (at - 120) / 24)
const DENSITIES = POINTS.map((z) => Math.exp((-z * z) / 2))
const TOTAL = DENSITIES.reduce((a, b) => a + b)
const WEIGHTS = DENSITIES.map((one) => one / TOTAL)

/** Normal distribution function; Abramowitz and Stegun 7.1.26, error below 1.5e-7. */
function normalBelow(x: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2)
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const erf = 1 - tail * Math.exp((-x * x) / 2)
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2
}

/** Lower threshold, log distance to the upper one, log τ. */
type Raters = readonly [number, number, number]

/** Probability of each sum of votes at each point. */
function sumsAt([lower, distance, spread]: Raters): number[][] {
  return POINTS.map((z) => {
    const u = z * Math.exp(spread)
    const one = normalBelow(lower - u)
    const three = 1 - normalBelow(lower + Math.exp(distance) - u)
    const vote = [one, Math.max(0, 1 - one - three), three]
    let sums = [1]
    for (let rater = 0; rater < RATERS; rater++) {
      const next = Array.from({ length: sums.length + 2 }, () => 0)
      for (const [at, p] of sums.entries()) for (const [more, q] of vote.entries()) next[at + more]! += p * q
      sums = next
    }
    return sums
  })
}

function mean(sums: readonly number[][]): number[] {
  return Array.from({ length: SUMS }, (_, k) => sums.reduce((total, at, point) => total + WEIGHTS[point]! * at[k]!, 0))
}

/** Coordinate search with shrinking steps from a point between the extremes; the likelihood is smooth in three numbers. */
function fitRaters(shares: readonly number[]): Raters {
  const loss = (raters: Raters) =>
    mean(sumsAt(raters)).reduce((total, p, k) => total - shares[k]! * Math.log(Math.max(p, 1e-12)), 0)
  let best: Raters = [-1, 0, -0.5]
  let least = loss(best)
  for (let step = 0.5; step > 1e-4; step /= 2) {
    for (let moved = true; moved;) {
      moved = false
      for (const at of [0, 1, 2])
        for (const sign of [-1, 1]) {
          const next = best.with(at, best[at]! + sign * step) as unknown as Raters
          const here = loss(next)
          if (here < least - 1e-9) [best, least, moved] = [next, here, true]
        }
    }
  }
  return best
}

const counts = Array.from({ length: SUMS }, () => 0)
for await (const { value } of readLines(values.data)) {
  const { grade } = value as { grade?: number }
  if (typeof grade !== 'number') throw new Error(`${values.data} has rows without a grade`)
  counts[Math.max(0, Math.min(SUMS - 1, Math.round((grade - 1) * RATERS)))]!++
}
const rows = counts.reduce((a, b) => a + b)
const shares = counts.map((count) => count / rows)
const raters = fitRaters(shares)
const sums = sumsAt(raters)
const fitted = mean(sums)
const classes = sums.map((at) =>
  Array.from({ length: CLASSES }, (_, c) => at.reduce((total, p, k) => (CLASS_OF_SUM[k] === c ? total + p : total), 0)),
)
const accuracy = classes.reduce((total, at, point) => total + WEIGHTS[point]! * Math.max(...at), 0)
const percent = (share: number) => `${(100 * share).toFixed(1)} %`
console.log(`${rows} rows; τ ${Math.exp(raters[2]).toFixed(2)}

| mean of three votes | ${shares.map((_, k) => (1 + k / RATERS).toFixed(2)).join(' | ')} |
|---|${shares.map(() => '---|').join('')}
| observed | ${shares.map(percent).join(' | ')} |
| fitted | ${fitted.map(percent).join(' | ')} |

A judge who knows how relevant each pair is, to the point: ${percent(accuracy)} of the labels.
One more panel of three, asked again: ${percent(agreement())}.`)

/** How often a second panel gives the label of the first. */
function agreement(): number {
  return classes.reduce((total, at, point) => total + WEIGHTS[point]! * at.reduce((sum, p) => sum + p * p, 0), 0)
}
