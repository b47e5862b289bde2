// Probabilities from a model's own and from how near the titles lie that it knows: a logistic regression a level.
// Pure; fits on what it is given, so it must never be given titles that the model or its index knows.

/** P(right) = σ(bias + own · logit(the model's probability) + near · nearness). */
export interface NearnessWeights {
  readonly bias: number
  readonly own: number
  readonly near: number
}

/** Probabilities nearer to 0 or 1 than this count as this far from them. */
const LEAST = 1e-6
/** Keeps the fit finite where the rows are told apart without an error. */
const RIDGE = 1e-3
const ROUNDS = 50
const SHARE_MIN = 2 ** -20

const logit = (probability: number): number => {
  const own = Math.min(1 - LEAST, Math.max(LEAST, probability))
  return Math.log(own / (1 - own))
}

const sigma = (score: number): number => 1 / (1 + Math.exp(-score))

/** The probability of one answer; NaN stays NaN. */
export function withNearness({ bias, own, near }: NearnessWeights, probability: number, nearness: number): number {
  return sigma(bias + own * logit(probability) + near * nearness)
}

/**
 * The weights that make the hits (0 or 1) likeliest, by Newton's method (iteratively reweighted least squares). An answer
 * never becomes less probable as the model is surer or as known titles speak for it more: no weight but the bias is below
 * nothing. `gain`: of log-likelihood, over the best weights without nearness.
 */
export function fitNearness(
  probabilities: ArrayLike<number>,
  nearness: ArrayLike<number>,
  hits: ArrayLike<number>,
): { readonly weights: NearnessWeights; readonly gain: number } {
  const inputs = [
    Float64Array.from(hits, () => 1),
    Float64Array.from(hits, (_, row) => logit(probabilities[row]!)),
    Float64Array.from(hits, (_, row) => nearness[row]!),
  ]
  const tried = [[0, 1, 2], [0, 1], [0, 2], [0]].map((used) => {
    const { weights, loss } = newton(
      used.map((at) => inputs[at]!),
      hits,
    )
    const of = (input: number) => weights[used.indexOf(input)] ?? 0
    return { weights: { bias: of(0), own: of(1), near: of(2) }, loss }
  })
  const allowed = tried.filter(({ weights }) => weights.own >= 0 && weights.near >= 0)
  const best = allowed.reduce((a, b) => (b.loss < a.loss ? b : a))
  const without = Math.min(...allowed.filter(({ weights }) => weights.near === 0).map(({ loss }) => loss))
  return { weights: best.weights, gain: without - best.loss }
}

/** Newton's method; a step that makes the hits less likely is halved until it does not. */
function newton(inputs: readonly Float64Array[], hits: ArrayLike<number>) {
  let weights = inputs.map(() => 0)
  let now = curveAt(weights, inputs, hits)
  for (let round = 0; round < ROUNDS; round++) {
    const step = solved(now.curve, now.slope)
    const moved = (share: number) => weights.map((weight, at) => weight + share * step[at]!)
    let share = 1
    let next = curveAt(moved(share), inputs, hits)
    while (next.loss > now.loss && share > SHARE_MIN) next = curveAt(moved((share /= 2)), inputs, hits)
    if (!(next.loss < now.loss - 1e-9)) break
    weights = moved(share)
    now = next
  }
  return { weights, loss: now.loss }
}

/** The negative log-likelihood of the hits with its slope, downwards, and the lower triangle of its curvature. */
function curveAt(weights: readonly number[], inputs: readonly Float64Array[], hits: ArrayLike<number>) {
  let loss = weights.reduce((sum, weight) => sum + (RIDGE * weight ** 2) / 2, 0)
  const slope = weights.map((weight) => -RIDGE * weight)
  const curve = weights.map((_, i) => weights.map((__, j) => (i === j ? RIDGE : 0)))
  for (let row = 0; row < hits.length; row++) {
    let score = 0
    inputs.forEach((input, at) => (score += weights[at]! * input[row]!))
    loss += Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score))) - hits[row]! * score
    const said = sigma(score)
    const spread = said * (1 - said)
    inputs.forEach((a, i) => {
      slope[i]! += (hits[row]! - said) * a[row]!
      for (let j = 0; j <= i; j++) curve[i]![j]! += spread * a[row]! * inputs[j]![row]!
    })
  }
  return { loss, slope, curve }
}

/** x of A x = b for a symmetric positive definite A, of which the lower triangle is given (Cholesky). */
function solved(lower: readonly (readonly number[])[], b: readonly number[]): number[] {
  const l = lower.map((row) => [...row])
  const y = [...b]
  for (let i = 0; i < b.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = lower[i]![j]!
      for (let k = 0; k < j; k++) sum -= l[i]![k]! * l[j]![k]!
      l[i]![j] = i === j ? Math.sqrt(sum) : sum / l[j]![j]!
    }
    for (let k = 0; k < i; k++) y[i]! -= l[i]![k]! * y[k]!
    y[i]! /= l[i]![i]!
  }
  for (let i = b.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < b.length; k++) y[i]! -= l[k]![i]! * y[k]!
    y[i]! /= l[i]![i]!
  }
  return y
}

/**
 * Maps the probabilities of many answers [rows × levels] in place, `nearness` [rows × levels]; they still never rise with
 * depth: those above are lifted to the deeper ones, which the weights were fitted for with the most errors.
 */
export function nearnessLevels(
  weights: readonly NearnessWeights[],
  probabilities: Float32Array,
  nearness: Float32Array,
): void {
  const levels = weights.length
  for (let at = probabilities.length - 1; at >= 0; at--) {
    const level = at % levels
    const own = withNearness(weights[level]!, probabilities[at]!, nearness[at]!)
    probabilities[at] = level === levels - 1 ? own : Math.max(own, probabilities[at + 1]!)
  }
}
