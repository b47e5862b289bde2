// Multinomial logistic regression over hashed ids, trained by AdaGrad one row at a time (Duchi et al., JMLR 2011).
// Small and exact enough to be fitted many times for out-of-fold scores. Deterministic for a seed; does no I/O.
import { random, shuffle } from '../../core/random.ts'

export interface SparseRows {
  /** ids of row r: ids[starts[r] .. starts[r + 1]). */
  readonly starts: Int32Array
  readonly ids: Int32Array
  /** Class of each row. */
  readonly labels: Int32Array
  readonly weights: Float32Array
  /** Log prior of each class for each row's source, rows × classes: what a row's score starts from. */
  readonly priors: Float32Array
}

export interface LinearSettings {
  readonly classes: number
  readonly buckets: number
  readonly epochs: number
  readonly rate: number
  /** L2 pull towards zero per visit of a weight. */
  readonly decay: number
  readonly seed: number
}

/** Weights, buckets × classes; fitted on the rows listed in `use`. */
export function fitLinear(rows: SparseRows, use: Int32Array, settings: LinearSettings): Float32Array {
  const { classes, buckets, epochs, rate, decay } = settings
  const weights = new Float32Array(buckets * classes)
  const squares = new Float32Array(buckets * classes)
  const scores = new Float64Array(classes)
  const next = random(settings.seed)
  const order = use.slice()
  for (let epoch = 0; epoch < epochs; epoch++) {
    shuffle(order, next)
    for (const row of order) {
      scoreInto(scores, rows, row, weights, classes)
      softmax(scores, rows.priors, row * classes)
      const label = rows.labels[row]!
      const importance = rows.weights[row]!
      for (let at = rows.starts[row]!; at < rows.starts[row + 1]!; at++) {
        const base = rows.ids[at]! * classes
        for (let c = 0; c < classes; c++) {
          const slot = base + c
          const slope = importance * (scores[c]! - (c === label ? 1 : 0)) + decay * weights[slot]!
          squares[slot]! += slope * slope
          weights[slot]! -= (rate * slope) / Math.sqrt(squares[slot]! + 1)
        }
      }
    }
  }
  return weights
}

/** Sum of the weights of the row's ids, by class (without the prior). */
export function scoreInto(
  scores: Float64Array | Float32Array,
  rows: SparseRows,
  row: number,
  weights: Float32Array,
  classes: number,
): void {
  scores.fill(0)
  for (let at = rows.starts[row]!; at < rows.starts[row + 1]!; at++) {
    const base = rows.ids[at]! * classes
    for (let c = 0; c < classes; c++) scores[c]! += weights[base + c]!
  }
}

function softmax(scores: Float64Array, priors: Float32Array, base: number): void {
  let top = -Infinity
  for (let c = 0; c < scores.length; c++) top = Math.max(top, (scores[c]! += priors[base + c]!))
  let sum = 0
  for (let c = 0; c < scores.length; c++) sum += scores[c] = Math.exp(scores[c]! - top)
  for (let c = 0; c < scores.length; c++) scores[c]! /= sum
}
