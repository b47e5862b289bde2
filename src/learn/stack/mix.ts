// A mixture of experts in the logarithm: P(path) ∝ Π p_expert(path)^weight (Hinton 2002, product of experts), weights
// learned on rows that no expert saw, and the point from which the cheap expert need not ask the others. Pure.

/** Natural logarithms of each expert's distribution, [rows × paths]. */
export type Experts = readonly Float32Array[]

export const LEAST = 1e-7

/** ln of probabilities, bounded below so that an expert's certainty cannot veto the others. */
export function logs(probabilities: Float32Array): Float32Array {
  return probabilities.map((value) => Math.log(Math.max(value, LEAST)))
}

/** The mixture's distributions, [rows × paths]. */
export function mixed(experts: Experts, weights: readonly number[], paths: number): Float32Array {
  const out = new Float32Array(experts[0]!.length)
  for (let base = 0; base < out.length; base += paths) {
    let most = -Infinity
    for (let path = base; path < base + paths; path++) {
      let score = 0
      for (let expert = 0; expert < experts.length; expert++) score += weights[expert]! * experts[expert]![path]!
      out[path] = score
      if (score > most) most = score
    }
    let total = 0
    for (let path = base; path < base + paths; path++) total += out[path] = Math.exp(out[path]! - most)
    for (let path = base; path < base + paths; path++) out[path]! /= total
  }
  return out
}

/** Mean negative log-likelihood of the gold paths. */
function loss(experts: Experts, weights: readonly number[], gold: Int32Array, paths: number): number {
  let sum = 0
  for (let row = 0; row < gold.length; row++) {
    const base = row * paths
    let most = -Infinity
    let total = 0
    let own = 0
    for (let path = 0; path < paths; path++) {
      let score = 0
      for (let expert = 0; expert < experts.length; expert++) score += weights[expert]! * experts[expert]![base + path]!
      if (path === gold[row]) own = score
      if (score > most) {
        total = total * Math.exp(most - score) + 1
        most = score
      } else total += Math.exp(score - most)
    }
    sum += most + Math.log(total) - own
  }
  return sum / Math.max(gold.length, 1)
}

/** Weights ≥ 0 that minimise the loss on the rows given: coordinate descent with shrinking steps. */
export function fitWeights(experts: Experts, gold: Int32Array, paths: number): number[] {
  const weights = experts.map(() => 1 / experts.length)
  let best = loss(experts, weights, gold, paths)
  for (let step = 0.32; step > 0.01; step /= 2)
    for (let index = 0; index < weights.length; index++)
      for (const change of [step, -step])
        for (;;) {
          const kept = weights[index]!
          const tried = Math.max(0, kept + change)
          if (tried === kept) break
          weights[index] = tried
          const now = loss(experts, weights, gold, paths)
          if (now < best - 1e-6) best = now
          else {
            weights[index] = kept
            break
          }
        }
  return weights
}

/** Points at which a cheap expert could stop asking. */
export const POINTS = [0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 1.01]
/** Given up for asking less, at most. */
export const GIVEN_UP = { accuracy: 0.001, loss: 0.003 }

export interface Step {
  /** The cheap expert's answer stands where its probability is at least this. */
  readonly ask: number
  /** Share of rows that are asked about. */
  readonly asked: number
  /** Share of rows whose path is right. */
  readonly accuracy: number
  /** Mean negative log-likelihood of the gold paths. */
  readonly loss: number
}

/** What each point of asking would cost and bring; 0: never asks, above 1: always. */
export function steps(
  cheap: Float32Array,
  mix: Float32Array,
  gold: Int32Array,
  paths: number,
  points: readonly number[],
): Step[] {
  const best = (values: Float32Array, row: number) => {
    let winner = row * paths
    for (let path = winner + 1; path < (row + 1) * paths; path++) if (values[path]! > values[winner]!) winner = path
    return winner
  }
  const rows = Array.from(gold, (path, row) => {
    const own = best(cheap, row)
    const right = row * paths + path
    const judged = (values: Float32Array, winner: number) => ({
      right: winner === right ? 1 : 0,
      loss: -Math.log(Math.max(values[right]!, LEAST)),
    })
    return { sure: cheap[own]!, cheap: judged(cheap, own), mix: judged(mix, best(mix, row)) }
  })
  return points.map((ask) => {
    let asked = 0
    let right = 0
    let loss = 0
    for (const row of rows) {
      const said = row.sure < ask ? row.mix : row.cheap
      if (row.sure < ask) asked++
      right += said.right
      loss += said.loss
    }
    return { ask, asked: asked / gold.length, accuracy: right / gold.length, loss: loss / gold.length }
  })
}

/**
 * The cheapest point that gives up at most so much of the best accuracy and of the best loss among the points: on few
 * rows the loss says more than the accuracy.
 */
export function cheapest(all: readonly Step[], given: { readonly accuracy: number; readonly loss: number }): Step {
  const most = Math.max(...all.map(({ accuracy }) => accuracy))
  const least = Math.min(...all.map(({ loss }) => loss))
  const cheap = all.toSorted((a, b) => a.asked - b.asked)
  const good = cheap.find(({ accuracy, loss }) => accuracy >= most - given.accuracy && loss <= least + given.loss)
  return good ?? cheap.find(({ accuracy }) => accuracy === most)!
}

/** The cheap answers where they are sure enough, else the mixture's. */
export function asked(cheap: Float32Array, mix: Float32Array, paths: number, ask: number): Float32Array {
  const out = cheap.slice()
  for (let base = 0; base < out.length; base += paths) {
    let most = 0
    for (let path = base; path < base + paths; path++) most = Math.max(most, cheap[path]!)
    if (most < ask) out.set(mix.subarray(base, base + paths), base)
  }
  return out
}
