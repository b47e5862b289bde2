// Derivatives of operators that only move elements: the gradient moves back, and elements that were taken more than once
// get the sum. ScatterElements and ScatterND add since opset 16.
import { type Rule, type Step, fromFront, number, numbers, shapedLike, unbroadcast } from './rule.ts'

const back: Rule = ({ graph, node, dy }) => [shapedLike(graph, dy[0]!, node.inputs[0]!)]

function zerosLike({ graph }: Step, value: string): string {
  return graph.op('ConstantOfShape', [graph.op('Shape', [value])])
}

/**
 * For any operator that picks elements: the same operator on the elements' numbers tells where each came from, and the
 * gradient is added there.
 */
const picked: Rule = (step) => {
  const { graph, node, dy } = step
  const [x, ...rest] = node.inputs as [string, ...string[]]
  const shape = graph.op('Shape', [x])
  const size = graph.op('Size', [x])
  const numbered = graph.op('Range', [scalarInt(step, 0), size, scalarInt(step, 1)])
  const indices = graph.op(node.op, [graph.op('Reshape', [numbered, shape]), ...rest], node.attributes)
  const every = graph.ints(-1)
  const zeros = graph.op('ConstantOfShape', [graph.op('Reshape', [size, graph.ints(1)])])
  const sources = [indices, dy[0]!].map((value) => graph.op('Reshape', [value, every]))
  const sum = graph.op('ScatterElements', [zeros, ...sources], { axis: 0, reduction: 'add' })
  return [graph.op('Reshape', [sum, shape])]
}

function scalarInt({ graph }: Step, value: number): string {
  return graph.tensor(`i64 ${value}`, { dtype: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) })
}

/** Rows of a table: the gradient of each row is added to its place. */
const gather: Rule = (step) => {
  const { graph, node, dy } = step
  const [table, indices] = node.inputs as [string, string]
  if (number(node, 'axis', 0) !== 0) return picked(step)
  const places = graph.op('Unsqueeze', [indices, graph.ints(-1)])
  return [graph.op('ScatterND', [zerosLike(step, table), places, dy[0]!], { reduction: 'add' })]
}

const concat: Rule = ({ graph, node, dy, shape, needs }) => {
  const axis = fromFront(number(node, 'axis', 0), shape(node.outputs[0]!).length)
  const length = (input: string) => graph.op('Gather', [graph.op('Shape', [input]), graph.ints(axis)])
  const ends: string[] = []
  return node.inputs.map((input, at) => {
    const start = ends.at(-1) ?? graph.ints(0)
    const end = graph.op('Add', [start, length(input)])
    ends.push(end)
    return needs(at) ? graph.op('Slice', [dy[0]!, start, end, graph.ints(axis)]) : undefined
  })
}

/** Pieces whose gradient is not asked for count as zeros. */
const split: Rule = (step) => {
  const pieces = step.node.outputs.map((output, at) => step.dy[at] ?? zerosLike(step, output))
  return [step.graph.op('Concat', pieces, { axis: number(step.node, 'axis', 0) })]
}

const transpose: Rule = ({ graph, node, dy, shape }) => {
  const rank = shape(node.inputs[0]!).length
  const perm = numbers(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
  return [graph.op('Transpose', [dy[0]!], { perm: perm.map((_, axis) => perm.indexOf(axis)) })]
}

export const MOVES: Readonly<Record<string, Rule>> = {
  Reshape: back,
  Flatten: back,
  Squeeze: back,
  Unsqueeze: back,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: picked,
  Gather: gather,
  GatherND: picked,
  GatherElements: picked,
  Expand: ({ graph, node, dy, shape }) => [unbroadcast(graph, dy[0]!, shape(node.outputs[0]!), shape(node.inputs[0]!))],
}
