// What a differentiation rule is given and gives; helpers that many rules share. Names are those of values in the graph.
import type { GraphNode } from '../../ports/graph.ts'
import type { GraphBuilder } from '../graph-builder.ts'

export interface Step {
  readonly graph: GraphBuilder
  readonly node: GraphNode
  /** Gradient of each output, undefined where the loss does not depend on it. */
  readonly dy: readonly (string | undefined)[]
  /** Sizes of a value; 1 is always 1, other sizes may differ from run to run. */
  readonly shape: (name: string) => readonly number[]
  /** Whether a gradient of this input is asked for. */
  readonly needs: (at: number) => boolean
  /** Name of an output of the forward node, which is made to give it if it did not. */
  readonly output: (at: number) => string
}

/** Gradients of the inputs, in order; undefined for those without. */
export type Rule = (step: Step) => readonly (string | undefined)[]

/** Sums a gradient of the shape `from` over the axes along which `to` was broadcast, so that it has the shape `to`. */
export function unbroadcast(
  graph: GraphBuilder,
  gradient: string,
  from: readonly number[],
  to: readonly number[],
): string {
  const lead = from.length - to.length
  const leading = Array.from({ length: lead }, (_, axis) => axis)
  const inner = to.flatMap((size, axis) => (size === 1 && from[axis + lead] !== 1 ? [axis + lead] : []))
  let value = gradient
  if (inner.length > 0) value = graph.op('ReduceSum', [value, graph.ints(...inner)], { keepdims: 1 })
  if (leading.length > 0) value = graph.op('ReduceSum', [value, graph.ints(...leading)], { keepdims: 0 })
  return value
}

/** An attribute that is one number. */
export function number(node: GraphNode, name: string, otherwise: number): number {
  const value = node.attributes?.[name]
  return typeof value === 'number' ? value : otherwise
}

/** An attribute that is a list of numbers. */
export function numbers(node: GraphNode, name: string): readonly number[] | undefined {
  const value = node.attributes?.[name]
  return Array.isArray(value) ? (value as readonly number[]) : undefined
}

/** An axis counted from the front. */
export function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}

/** The value with another value's shape, of the same number of elements. */
export function shapedLike(graph: GraphBuilder, value: string, like: string): string {
  return graph.op('Reshape', [value, graph.op('Shape', [like])])
}
