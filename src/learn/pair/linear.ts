// Multinomial logistic regression over hashed ids beside standardised dense features, trained by AdaGrad one row at a
// time (Duchi et al., JMLR 2011). Only the ids' weights are kept: what words say beyond what the dense features know.
// Small enough to be fitted many times for out-of-fold scores. Deterministic for a seed; does no I/O.
import { random, shuffle } from '../../core/random.ts'
import type { HashedRows } from '../../core/pair/encode.ts'

export interface LinearRows extends HashedRows {
  /** rows × width; standardised already. */
  readonly dense: Float32Array
  readonly width: number
  /** Class of each row. */
  readonly labels: Int32Array
  readonly weights: Float32Array
}

export interface LinearSettings {
  readonly classes: number
  readonly buckets: number
  readonly epochs: number
  readonly rate: number
  /** Learning rate of the dense weights. */
  readonly denseRate: number
  /** L2 pull towards zero per visit of a weight. */
  readonly decay: number
  readonly seed: number
}

/** Standardised features beyond this are cut: one odd row must not throw the fit. */
const LIMIT = 4

/** Centred, unit variance, cut at four deviations; rows × width. */
export function standardised(dense: Float32Array, width: number): Float32Array {
  const rows = dense.length / width
  const out = new Float32Array(dense.length)
  for (let f = 0; f < width; f++) {
    let sum = 0
    let squares = 0
    for (let r = 0; r < rows; r++) {
      const value = dense[r * width + f]!
      sum += value
      squares += value * value
    }
    const mean = sum / rows
    const deviation = Math.sqrt(Math.max(0, squares / rows - mean * mean)) || 1
    for (let r = 0; r < rows; r++)
      out[r * width + f] = Math.max(-LIMIT, Math.min(LIMIT, (dense[r * width + f]! - mean) / deviation))
  }
  return out
}

/** Weights of the ids, buckets × classes; fitted on the rows listed in `use`. */
export function fitLinear(rows: LinearRows, use: Int32Array, settings: LinearSettings): Float32Array {
  const { classes, buckets, epochs, rate, denseRate, decay } = settings
  const { dense, width } = rows
  const weights = new Float32Array(buckets * classes)
  const squares = new Float32Array(buckets * classes)
  const denseWeights = new Float32Array((width + 1) * classes)
  const denseSquares = new Float32Array((width + 1) * classes)
  const scores = new Float64Array(classes)
  const next = random(settings.seed)
  const order = use.slice()
  for (let epoch = 0; epoch < epochs; epoch++) {
    shuffle(order, next)
    for (const row of order) {
      const start = row * width
      scoreInto(scores, rows, row, weights, classes)
      for (let c = 0; c < classes; c++) scores[c]! += denseWeights[width * classes + c]!
      for (let f = 0; f < width; f++) {
        const value = dense[start + f]!
        for (let c = 0; c < classes; c++) scores[c]! += value * denseWeights[f * classes + c]!
      }
      slopes(scores, rows.labels[row]!, rows.weights[row]!)
      for (let at = rows.starts[row]!; at < rows.starts[row + 1]!; at++) {
        const base = rows.ids[at]! * classes
        for (let c = 0; c < classes; c++) {
          const slope = scores[c]! + decay * weights[base + c]!
          squares[base + c]! += slope * slope
          weights[base + c]! -= (rate * slope) / Math.sqrt(squares[base + c]! + 1)
        }
      }
      for (let f = 0; f <= width; f++) {
        const value = f === width ? 1 : dense[start + f]!
        for (let c = 0; c < classes; c++) {
          const slope = scores[c]! * value
          denseSquares[f * classes + c]! += slope * slope
          denseWeights[f * classes + c]! -= (denseRate * slope) / Math.sqrt(denseSquares[f * classes + c]! + 1)
        }
      }
    }
  }
  return weights
}

/** Sum of the weights of the row's ids, by class. */
export function scoreInto(
  scores: Float64Array | Float32Array,
  rows: HashedRows,
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

/** Scores → gradient of the cross entropy: softmax minus the truth, times the row's weight. */
function slopes(scores: Float64Array, label: number, weight: number): void {
  let top = -Infinity
  for (const score of scores) top = Math.max(top, score)
  let sum = 0
  for (let c = 0; c < scores.length; c++) sum += scores[c] = Math.exp(scores[c]! - top)
  for (let c = 0; c < scores.length; c++) scores[c] = weight * (scores[c]! / sum - (c === label ? 1 : 0))
}
