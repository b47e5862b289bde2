// A fitted pair model as one ONNX graph: hashed ids → sum of their weights; with the dense features → trees → softmax.
// Temperature and prior are folded in. Uses ai.onnx.ml's TreeEnsembleRegressor, which onnxruntime runs natively.
import type { GraphSpec } from '../../ports/graph.ts'
import { FEATURES } from '../../core/pair/features.ts'
import { GraphBuilder } from '../graph-builder.ts'
import type { Fitted } from './fit.ts'

/** Inputs: dense [n, features] float32, ids [n, k] int32 (see paddedIds). Output: probabilities [n, classes]. */
export function pairGraph({ linear, boosted, prior }: Fitted, temperature: number): GraphSpec {
  const classes = prior.length
  const graph = new GraphBuilder('sluice-pair')
  const dense = graph.input('dense', ['n', FEATURES.length])
  const ids = graph.input('ids', ['n', 'k'], 'int32')
  const { bytes, scale } = quantised(linear)
  const padded = new Int8Array(bytes.length + classes)
  padded.set(bytes, classes)
  const table = graph.tensor('weights', { dtype: 'int8', dims: [padded.length / classes, classes], data: padded })
  const gathered = graph.op('Cast', [graph.op('Gather', [table, ids], { axis: 0 })], { to: 1 })
  const sums = graph.op('ReduceSum', [gathered, graph.ints(1)], { keepdims: 0 })
  const scores = graph.op('Mul', [sums, graph.scalar(scale)])
  const inputs = graph.op('Concat', [dense, scores], { axis: 1 })
  const logits = graph.op('TreeEnsembleRegressor', [inputs], ensemble(boosted, prior), {
    domain: 'ai.onnx.ml',
    floats: ['nodes_values', 'target_weights', 'base_values'],
  })
  const probabilities = graph.op('Softmax', [graph.op('Div', [logits, graph.scalar(temperature)])], { axis: 1 })
  graph.output('probabilities', probabilities, ['n', classes])
  return graph.spec()
}

/** One scale for the whole table: weights lie close together, and a sum of few of them is all that is asked. */
export function quantised(weights: Float32Array): { readonly bytes: Int8Array; readonly scale: number } {
  let top = 0
  for (const weight of weights) top = Math.max(top, Math.abs(weight))
  const scale = top > 0 ? Math.fround(top / 127) : 1
  return { bytes: Int8Array.from(weights, (weight) => Math.round(weight / scale)), scale }
}

function ensemble({ bins, rounds }: Fitted['boosted'], prior: Float32Array) {
  const nodes = { tree: [] as number[], node: [] as number[], feature: [] as number[], value: [] as number[] }
  const modes: string[] = []
  const left: number[] = []
  const right: number[] = []
  const target = { tree: [] as number[], node: [] as number[], id: [] as number[], weight: [] as number[] }
  let id = 0
  for (const trees of rounds) {
    for (const [c, tree] of trees.entries()) {
      for (let node = 0; node < tree.feature.length; node++) {
        const feature = tree.feature[node]!
        const isLeaf = feature < 0
        nodes.tree.push(id)
        nodes.node.push(node)
        nodes.feature.push(isLeaf ? 0 : feature)
        nodes.value.push(isLeaf ? 0 : bins.edges[feature]![tree.bin[node]!]!)
        modes.push(isLeaf ? 'LEAF' : 'BRANCH_LEQ')
        left.push(tree.left[node]!)
        right.push(tree.right[node]!)
        if (!isLeaf) continue
        target.tree.push(id)
        target.node.push(node)
        target.id.push(c)
        target.weight.push(tree.value[node]!)
      }
      id++
    }
  }
  return {
    n_targets: prior.length,
    aggregate_function: 'SUM',
    post_transform: 'NONE',
    base_values: [...prior],
    nodes_treeids: nodes.tree,
    nodes_nodeids: nodes.node,
    nodes_featureids: nodes.feature,
    nodes_values: nodes.value,
    nodes_modes: modes,
    nodes_truenodeids: left,
    nodes_falsenodeids: right,
    target_treeids: target.tree,
    target_nodeids: target.node,
    target_ids: target.id,
    target_weights: target.weight,
  }
}
