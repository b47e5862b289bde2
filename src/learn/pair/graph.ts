// A fitted pair model as one ONNX graph: hashed ids → sum of their weights; with the numbers → trees → softmax, once for
// the source and once for the class as each source would judge it; the mean of these judgements is the answer.
// Temperatures, priors and offsets are folded in. Uses ai.onnx.ml's TreeEnsembleRegressor, which onnxruntime runs natively.
import type { GraphSpec } from '../../ports/graph.ts'
import { FEATURES } from '../../core/pair/features.ts'
import { STYLE } from '../../core/pair/style.ts'
import { GraphBuilder } from '../graph-builder.ts'
import { LEAST } from './decisions.ts'
import type { Offsets } from './decisions.ts'
import type { Fitted } from './fit.ts'
import type { Scorer } from './scorer.ts'

/**
 * Inputs: dense [n, features] float32, ids [n, k] int32, style [n, styles] float32, styleIds [n, j] int32 (see
 * pairFeeds); a temperature a source. Outputs: probabilities [n, classes] = Σ over sources of P(source | style) · P(class | pair, source),
 * and factors [n, classes], by which to weigh them in choosing (see logFactors).
 */
export function pairGraph({ relevance, source }: Fitted, temperatures: readonly number[], offsets: Offsets): GraphSpec {
  const classes = relevance.prior.length
  const sources = source.prior.length
  const graph = new GraphBuilder('sluice-pair')
  const dense = graph.input('dense', ['n', FEATURES.length])
  const ids = graph.input('ids', ['n', 'k'], 'int32')
  const style = graph.input('style', ['n', STYLE.length])
  const styleIds = graph.input('styleIds', ['n', 'j'], 'int32')
  const styled = graph.op('Concat', [style, linearScores(graph, 'styleWeights', source, styleIds)], { axis: 1 })
  const posterior = graph.op('Softmax', [trees(graph, source, styled)], { axis: 1 })

  const pairs = graph.op('Concat', [dense, linearScores(graph, 'weights', relevance, ids)], { axis: 1 })
  const width = FEATURES.length + classes
  const each = graph.op('Tile', [graph.op('Unsqueeze', [pairs, graph.ints(1)]), graph.ints(1, sources, 1)])
  const flags = new Float32Array(sources * sources)
  for (let at = 0; at < sources; at++) flags[at * sources + at] = 1
  const flag = graph.tensor('sources', { dtype: 'float32', dims: [1, sources, sources], data: flags })
  // Flags times one, the one taken from the posterior's shape: [n, 1, 1] · [1, sources, sources].
  const sure = graph.op('ReduceSum', [posterior, graph.ints(1)], { keepdims: 1 })
  const ones = graph.op('Unsqueeze', [graph.op('Div', [sure, sure]), graph.ints(2)])
  const shown = graph.op('Concat', [each, graph.op('Mul', [ones, flag])], { axis: 2 })
  const rows = graph.op('Reshape', [shown, graph.ints(-1, width + sources)])
  const logits = graph.op('Reshape', [trees(graph, relevance, rows), graph.ints(-1, sources, classes)])
  const heat = graph.tensor('temperatures', {
    dtype: 'float32',
    dims: [1, sources, 1],
    data: Float32Array.from(temperatures),
  })
  const judged = graph.op('Softmax', [graph.op('Div', [logits, heat])], { axis: 2 })
  const weighted = graph.op('Mul', [judged, graph.op('Unsqueeze', [posterior, graph.ints(2)])])
  const sum = (parts: string) => graph.op('ReduceSum', [parts, graph.ints(1)], { keepdims: 0 })
  const probabilities = sum(weighted)
  const data = Float32Array.from(offsets.flat(), Math.exp)
  const factor = graph.tensor('offset-factors', { dtype: 'float32', dims: [1, sources, classes], data })
  const least = (of: string) => graph.op('Add', [of, graph.scalar(LEAST)])
  const factors = graph.op('Div', [least(sum(graph.op('Mul', [weighted, factor]))), least(probabilities)])
  graph.output('probabilities', probabilities, ['n', classes])
  graph.output('factors', factors, ['n', classes])
  return graph.spec()
}

/** Sum of the weights of the ids; row 0 of the table holds zeros. */
function linearScores(graph: GraphBuilder, name: string, { linear, prior }: Scorer, ids: string): string {
  const classes = prior.length
  const { bytes, scale } = quantised(linear)
  const padded = new Int8Array(bytes.length + classes)
  padded.set(bytes, classes)
  const table = graph.tensor(name, { dtype: 'int8', dims: [padded.length / classes, classes], data: padded })
  const gathered = graph.op('Cast', [graph.op('Gather', [table, ids], { axis: 0 })], { to: 1 })
  const sums = graph.op('ReduceSum', [gathered, graph.ints(1)], { keepdims: 0 })
  return graph.op('Mul', [sums, graph.scalar(scale)])
}

function trees(graph: GraphBuilder, { boosted, prior }: Scorer, inputs: string): string {
  return graph.op('TreeEnsembleRegressor', [inputs], ensemble(boosted, prior), {
    domain: 'ai.onnx.ml',
    floats: ['nodes_values', 'target_weights', 'base_values'],
  })
}

/** One scale for the whole table: weights lie close together, and a sum of few of them is all that is asked. */
function quantised(weights: Float32Array): { readonly bytes: Int8Array; readonly scale: number } {
  let top = 0
  for (const weight of weights) top = Math.max(top, Math.abs(weight))
  const scale = top > 0 ? Math.fround(top / 127) : 1
  return { bytes: Int8Array.from(weights, (weight) => Math.round(weight / scale)), scale }
}

function ensemble({ bins, rounds }: Scorer['boosted'], prior: Float32Array) {
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
