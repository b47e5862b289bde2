// Calibration as part of the graph that serves: nodes behind a model's probabilities, so that serving stays one graph.
// What was put behind a model can be taken away again: calibrating twice never calibrates a calibration.
import { LOG_FLOOR } from '../../core/calibration/scaling.ts'
import type { Scaling } from '../../core/calibration/scaling.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphNode, GraphSpec, Tensor } from '../../ports/graph.ts'

/** Names of everything that stands behind the model begin with this. */
const MARK = 'calibration/'
const GIVEN = `${MARK}given`
const OUTPUT = 'probabilities'

/** The graph with `scaling` behind its output `probabilities` [rows × paths]. */
export function withTail(spec: GraphSpec, tree: Tree, scaling: Scaling): GraphSpec {
  const initializers: Record<string, Tensor> = {}
  const nodes: GraphNode[] = []
  const tensor = (name: string, dims: readonly number[], data: Float32Array) => {
    initializers[MARK + name] = { dtype: 'float32', dims, data }
    return MARK + name
  }
  const op = (op: string, inputs: readonly string[], attributes: GraphNode['attributes'] = {}) => {
    const output = `${MARK}${op}_${nodes.length}`
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const floor = tensor('floor', [], new Float32Array([LOG_FLOOR]))
  const scores = tree.nodeOf.flatMap((nodeOf, level) => {
    const weights = scaling.weights[level]!
    const biases = scaling.biases[level]!
    if (weights.every((value) => value === 0) && biases.every((value) => value === 0)) return []
    const count = tree.nodes[level]!
    const marginal =
      count === tree.paths
        ? GIVEN
        : op('MatMul', [GIVEN, tensor(`nodes_${level}`, [tree.paths, count], below(nodeOf, count))])
    const log = op('Log', [op('Max', [marginal, floor])])
    const weighed = op('Mul', [log, tensor(`weights_${level}`, [count], weights)])
    const own = op('Add', [weighed, tensor(`biases_${level}`, [count], biases)])
    if (count === tree.paths) return [own]
    initializers[`${MARK}node_of_${level}`] = { dtype: 'int32', dims: [tree.paths], data: nodeOf }
    return [op('Gather', [own, `${MARK}node_of_${level}`], { axis: 1 })]
  })
  if (scores.length === 0) return spec
  const score = scores.reduce((sum, one) => op('Add', [sum, one]))
  nodes.push({ op: 'Softmax', inputs: [score], outputs: [OUTPUT], attributes: { axis: 1 } })
  const renamed = spec.nodes.map((node) => renamedIn(node, OUTPUT, GIVEN))
  return { ...spec, initializers: { ...spec.initializers, ...initializers }, nodes: [...renamed, ...nodes] }
}

/** The graph as it was before `withTail`. */
export function withoutTail(spec: GraphSpec): GraphSpec {
  if (!spec.nodes.some(({ outputs }) => outputs.includes(GIVEN))) return spec
  const own = spec.nodes.filter(
    ({ outputs }) => !outputs.includes(OUTPUT) && outputs.every((name) => name === GIVEN || !name.startsWith(MARK)),
  )
  const initializers = Object.fromEntries(Object.entries(spec.initializers).filter(([name]) => !name.startsWith(MARK)))
  return { ...spec, initializers, nodes: own.map((node) => renamedIn(node, GIVEN, OUTPUT)) }
}

/** [paths × nodes]: 1 where the path lies below the node. */
function below(nodeOf: Int32Array, count: number): Float32Array {
  const matrix = new Float32Array(nodeOf.length * count)
  nodeOf.forEach((node, path) => (matrix[path * count + node] = 1))
  return matrix
}

function renamedIn(node: GraphNode, from: string, to: string): GraphNode {
  const rename = (name: string) => (name === from ? to : name)
  return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }
}
