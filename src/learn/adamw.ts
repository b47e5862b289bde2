// AdamW as part of a training-step graph: parameters and moments come in as inputs and go out updated.
// Loshchilov & Hutter, "Decoupled Weight Decay Regularization", algorithm 2. Keeps no state of its own.
import type { Tensor } from '../ports/graph.ts'
import type { GraphBuilder } from './graph-builder.ts'

export interface AdamW {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
}

export const ADAMW: AdamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 }

/** Scalar inputs of the update: the learning rate and both bias corrections; see `adamwFeeds`. */
export function adamwInputs(graph: GraphBuilder): void {
  for (const name of ['lr', 'correction1', 'correction2']) graph.input(name, [])
}

/** Values of those inputs at a step; steps count from 1. */
export function adamwFeeds(step: number, learningRate: number, adamw: AdamW): Record<string, Tensor> {
  const scalar = (value: number): Tensor => ({ dtype: 'float32', dims: [], data: new Float32Array([value]) })
  return {
    lr: scalar(learningRate),
    correction1: scalar(1 / (1 - adamw.beta1 ** step)),
    correction2: scalar(1 / (1 - adamw.beta2 ** step)),
  }
}

/** Declares parameter `name` with its moments `name.m`, `name.v` as inputs. */
export function parameter(graph: GraphBuilder, name: string, dims: readonly number[]): string {
  graph.input(`${name}.m`, dims)
  graph.input(`${name}.v`, dims)
  return graph.input(name, dims)
}

/** Adds the update of a parameter by its gradient; outputs `name'`, `name.m'`, `name.v'`. */
export function update(
  graph: GraphBuilder,
  name: string,
  gradient: string,
  dims: readonly number[],
  adamw: AdamW,
): void {
  const { beta1, beta2, epsilon, weightDecay } = adamw
  const times = (a: string, b: string) => graph.op('Mul', [a, b])
  const m = graph.op('Add', [times(`${name}.m`, graph.scalar(beta1)), times(gradient, graph.scalar(1 - beta1))])
  const squared = times(gradient, gradient)
  const v = graph.op('Add', [times(`${name}.v`, graph.scalar(beta2)), times(squared, graph.scalar(1 - beta2))])
  const deviation = graph.op('Sqrt', [times(v, 'correction2')])
  const step = graph.op('Div', [times(m, 'correction1'), graph.op('Add', [deviation, graph.scalar(epsilon)])])
  const decay = times(name, graph.scalar(weightDecay))
  const change = times(graph.op('Add', [step, decay]), 'lr')
  graph.output(`${name}'`, graph.op('Sub', [name, change]), dims)
  graph.output(`${name}.m'`, m, dims)
  graph.output(`${name}.v'`, v, dims)
}

/** Feeds for the next step: each updated output `x'` becomes the input `x`. */
export function carry(outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.endsWith("'"))
      .map(([name, tensor]) => [name.slice(0, -1), tensor]),
  )
}
