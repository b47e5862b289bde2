// Reverse-mode differentiation of a graph: nodes are walked from the loss back to the parameters, and each adds the
// nodes that compute the gradients of its inputs from the gradient of its output. Griewank & Walther, "Evaluating
// Derivatives", 2nd ed., section 3.2. The rules themselves stand in the files beside this one.
import { SluiceError } from '../../core/error.ts'
import { GraphBuilder } from '../graph-builder.ts'
import { ELEMENTWISE } from './elementwise.ts'
import { MATRIX } from './matrix.ts'
import { MOVES } from './moves.ts'
import { REDUCTIONS } from './reductions.ts'
import type { GraphNode, GraphSpec } from '../../ports/graph.ts'
import type { Rule } from './rule.ts'
import type { Shapes } from './shapes.ts'

const RULES: Readonly<Record<string, Rule>> = { ...ELEMENTWISE, ...MATRIX, ...MOVES, ...REDUCTIONS }

/** Operators through which no gradient flows: integers, truth values, constants. */
const BLOCKING = new Set(
  'Shape Size Equal Greater GreaterOrEqual Less LessOrEqual And Or Not Xor IsNaN IsInf ArgMax ArgMin Range Sign Floor Ceil Round ConstantOfShape NonZero OneHot'.split(
    ' ',
  ),
)
const FLOAT = 1

/** Operators that can be differentiated. */
export const DIFFERENTIABLE: readonly string[] = Object.keys(RULES)

/**
 * The graph with gradients: the outputs of `spec`, then `d(name)` for each of `parameters` (inputs or initializers of
 * floats), the derivative of `loss`, a value of one element. `shapes` are those of `spec`, see observeShapes.
 * Throws SL503 naming the node where an operator on the way cannot be differentiated, or the parameter that the loss
 * does not depend on.
 */
export function differentiate(spec: GraphSpec, loss: string, parameters: readonly string[], shapes: Shapes): GraphSpec {
  const graph = new GraphBuilder(`${spec.name} with gradients`, 'grad/')
  const moving = reached(spec.nodes, parameters)
  const gradients = new Map<string, string[]>([[loss, [ones(graph, shapes.get(loss)!)]]])
  const sum = (value: string): string | undefined => {
    const parts = gradients.get(value)
    return parts && parts.length > 1 ? graph.op('Sum', parts) : parts?.[0]
  }
  const nodes = spec.nodes.map((node) => ({ ...node, outputs: [...node.outputs] }))
  graph.include({ ...spec, nodes })
  for (const node of nodes.toReversed()) {
    const dy = node.outputs.map(sum)
    if (dy.every((one) => one === undefined) || !node.inputs.some((input) => moving.has(input))) continue
    const rule = (node.domain ?? '') === '' || node.op === 'Gelu' ? RULES[node.op] : undefined
    if (!rule)
      throw new SluiceError(
        'SL503',
        `${spec.name}: node "${node.outputs[0]}": operator ${node.op} cannot be differentiated`,
      )
    const found = rule({
      graph,
      node,
      dy,
      shape: (name) => shapes.get(name) ?? [],
      needs: (at) => moving.has(node.inputs[at] ?? ''),
      output(at) {
        while (node.outputs.length <= at) node.outputs.push('')
        return (node.outputs[at] ||= `grad/${node.outputs[0]}.${at}`)
      },
    })
    found.forEach((gradient, at) => {
      const input = node.inputs[at] ?? ''
      if (gradient !== undefined && moving.has(input)) gradients.set(input, [...(gradients.get(input) ?? []), gradient])
    })
  }
  for (const parameter of parameters) {
    const gradient = sum(parameter)
    if (gradient === undefined)
      throw new SluiceError('SL503', `${spec.name}: the loss does not depend on "${parameter}"`)
    graph.output(
      `d(${parameter})`,
      gradient,
      shapes.get(parameter)!.map((_, at) => `${parameter}.${at}`),
    )
  }
  const { outputs, ...rest } = graph.spec()
  return { ...rest, outputs: [...spec.outputs, ...outputs] }
}

/** Values that depend on the parameters, in a way that has a derivative. */
function reached(nodes: readonly GraphNode[], parameters: readonly string[]): Set<string> {
  const found = new Set(parameters)
  for (const { op, inputs, outputs, attributes } of nodes) {
    if (BLOCKING.has(op) || (op === 'Cast' && attributes?.['to'] !== FLOAT)) continue
    if (inputs.some((input) => found.has(input))) for (const output of outputs) found.add(output)
  }
  return found
}

function ones(graph: GraphBuilder, dims: readonly number[]): string {
  return graph.tensor(`ones[${dims.join()}]`, { dtype: 'float32', dims, data: new Float32Array([1]) })
}
