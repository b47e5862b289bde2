// AdamW on typed arrays: faster than as nodes of the graph, which would copy every weight and moment in and out.
// Loshchilov & Hutter, "Decoupled Weight Decay Regularization", algorithm 2, after clipping by the global norm (Pascanu
// et al., "On the difficulty of training recurrent neural networks", algorithm 1). Works in place.
import type { AdamW } from '../adamw.ts'

/** A gradient of a whole weight, or of some rows of a table. */
export interface Gradient {
  readonly name: string
  readonly values: Float32Array
  /** Number of the table's row that each row of `values` belongs to; a row may come up more than once. */
  readonly rows?: BigInt64Array | undefined
}

export interface Optimiser {
  /** One step of all weights; gives back the norm of all gradients before clipping. */
  step(gradients: readonly Gradient[], learningRate: number): number
}

interface Moments {
  readonly first: Float32Array
  readonly second: Float32Array
}

export interface OptimiserSettings {
  readonly adamw: AdamW
  /** Gradients together longer than this are scaled down to it. */
  readonly normMax: number
  /** A weight's steps, as a multiple of the others'; 1 where it is left out. */
  readonly pace?: (name: string) => number
}

/**
 * Steps `weights` in place. Rows of a table move, and forget, only when a batch names them. `decayed` tells which
 * weights decay: not biases and scales.
 */
export function optimiser(
  weights: Readonly<Record<string, Float32Array>>,
  decayed: (name: string) => boolean,
  { adamw, normMax, pace = () => 1 }: OptimiserSettings,
): Optimiser {
  const moments = new Map<string, Moments>()
  const { beta1, beta2, epsilon, weightDecay } = adamw
  let steps = 0

  function momentsOf(name: string, size: number): Moments {
    let found = moments.get(name)
    if (!found) moments.set(name, (found = { first: new Float32Array(size), second: new Float32Array(size) }))
    return found
  }

  return {
    step(gradients, learningRate) {
      steps++
      const merged = gradients.map(mergeRows)
      const norm = Math.sqrt(merged.reduce((sum, { values }) => sum + squares(values), 0))
      const scale = norm > normMax ? normMax / norm : 1
      for (const { name, values, rows } of merged) {
        const theta = weights[name]!
        const moment = momentsOf(name, theta.length)
        const own = learningRate * pace(name)
        const step = {
          beta1,
          beta2,
          epsilon,
          scale,
          decay: decayed(name) ? own * weightDecay : 0,
          rate: own / (1 - beta1 ** steps),
          spread: 1 / Math.sqrt(1 - beta2 ** steps),
        }
        const width = rows ? values.length / Math.max(1, rows.length) : values.length
        for (let at = 0; at * width < values.length; at++)
          move(theta, moment, values, at * width, width, rows ? Number(rows[at]) * width : 0, step)
      }
      return norm
    },
  }
}

interface Step {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Of the gradient, where it is clipped. */
  readonly scale: number
  readonly decay: number
  /** Learning rate and correction of the first moment. */
  readonly rate: number
  /** Correction of the root of the second. */
  readonly spread: number
}

/** theta -= rate · m / (√v · spread + ε) + decay · theta, for `count` elements. Plain locals: this is the hot loop. */
function move(
  theta: Float32Array,
  { first, second }: Moments,
  gradient: Float32Array,
  from: number,
  count: number,
  at: number,
  { beta1, beta2, epsilon, scale, decay, rate, spread }: Step,
): void {
  for (let i = 0; i < count; i++) {
    const g = gradient[from + i]! * scale
    const m = beta1 * first[at + i]! + (1 - beta1) * g
    const v = beta2 * second[at + i]! + (1 - beta2) * g * g
    first[at + i] = m
    second[at + i] = v
    theta[at + i] = theta[at + i]! - (rate * m) / (Math.sqrt(v) * spread + epsilon) - decay * theta[at + i]!
  }
}

/** Four sums side by side: one alone waits for itself. */
function squares(values: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0]
  const even = values.length - (values.length % 4)
  for (let i = 0; i < even; i += 4) {
    a += values[i]! * values[i]!
    b += values[i + 1]! * values[i + 1]!
    c += values[i + 2]! * values[i + 2]!
    d += values[i + 3]! * values[i + 3]!
  }
  for (let i = even; i < values.length; i++) a += values[i]! * values[i]!
  return a + b + c + d
}

/** Gradients of a row that came up more than once are added up. */
function mergeRows(gradient: Gradient): Gradient {
  const { name, values, rows } = gradient
  if (!rows || rows.length === 0) return gradient
  const width = values.length / rows.length
  const places = new Map<bigint, number>()
  for (const row of rows) if (!places.has(row)) places.set(row, places.size)
  const sums = new Float32Array(places.size * width)
  rows.forEach((row, at) => {
    const to = places.get(row)! * width
    const from = at * width
    for (let k = 0; k < width; k++) sums[to + k]! += values[from + k]!
  })
  return { name, values: sums, rows: BigInt64Array.from(places.keys()) }
}
