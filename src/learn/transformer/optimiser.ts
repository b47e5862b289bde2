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
}

/**
 * Steps `weights` in place. Rows of a table move, and forget, only when a batch names them. `decayed` tells which
 * weights decay: not biases and scales.
 */
export function optimiser(
  weights: Readonly<Record<string, Float32Array>>,
  decayed: (name: string) => boolean,
  { adamw, normMax }: OptimiserSettings,
): Optimiser {
  const moments = new Map<string, Moments>()
  const { beta1, beta2, epsilon, weightDecay } = adamw
  let steps = 0

  /** theta -= rate · (m̂ / (√v̂ + ε) + decay · theta) over a stretch of a weight, from `at` on. */
  function move(
    name: string,
    gradient: Float32Array,
    from: number,
    to: number,
    at: number,
    scale: number,
    rate: number,
  ) {
    const theta = weights[name]!
    const { first, second } = momentsOf(name, theta.length)
    const decay = decayed(name) ? rate * weightDecay : 0
    const correction = rate / (1 - beta1 ** steps)
    const spread = 1 / Math.sqrt(1 - beta2 ** steps)
    for (let i = from, j = at; i < to; i++, j++) {
      const g = gradient[i]! * scale
      const m = (first[j] = beta1 * first[j]! + (1 - beta1) * g)
      const v = (second[j] = beta2 * second[j]! + (1 - beta2) * g * g)
      theta[j] = theta[j]! - (correction * m) / (Math.sqrt(v) * spread + epsilon) - decay * theta[j]!
    }
  }

  function momentsOf(name: string, size: number): Moments {
    let found = moments.get(name)
    if (!found) moments.set(name, (found = { first: new Float32Array(size), second: new Float32Array(size) }))
    return found
  }

  return {
    step(gradients, learningRate) {
      steps++
      const merged = gradients.map(mergeRows)
      let squares = 0
      for (const { values } of merged) for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!
      const norm = Math.sqrt(squares)
      const scale = norm > normMax ? normMax / norm : 1
      for (const { name, values, rows } of merged) {
        const width = rows ? values.length / Math.max(1, rows.length) : values.length
        const places = rows ?? [0n]
        places.forEach((row, at) =>
          move(name, values, at * width, (at + 1) * width, Number(row) * width, scale, learningRate),
        )
      }
      return norm
    },
  }
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
