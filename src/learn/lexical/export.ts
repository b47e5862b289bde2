// From trained weights to the graph that serves them: everything after hashing, from feature ids to a probability for
// every existing path. Eight-bit table, one scale a row; the heads of all levels folded into one over paths.
// Changes no decision of training except by rounding; `sluice train` prints what that costs.
import { GraphBuilder } from '../graph-builder.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { Weights } from './fit.ts'

/** Largest value of a rounded feature weight: 7 bits, so that pairs of products fit 16 bits on CPUs without VNNI. */
const WEIGHT_MAX = 127
const TABLE_MAX = 127

export interface ExportInput {
  readonly weights: Weights
  readonly width: number
  readonly idf: Float32Array
  readonly tree: Tree
  /** Per level, l1 first. */
  readonly temperatures: readonly number[]
}

/**
 * Inputs: ids [B, F] int32 in [0, buckets), tf [B, F] float32 (1 + ln count; 0 pads). Output: probabilities [B, paths],
 * the joint distribution over existing paths. A row without features gives the prior that the biases hold.
 */
export function servingGraph(input: ExportInput): GraphSpec {
  const { idf, tree, width } = input
  const { table, scales } = quantised(input.weights.tables, width)
  const folded = foldHeads(input)
  const graph = new GraphBuilder('lexical')
  const ids = graph.input('ids', ['B', 'F'], 'int32')
  const tf = graph.input('tf', ['B', 'F'])
  const vector = (name: string, data: Float32Array) =>
    graph.tensor(name, { dtype: 'float32', dims: [data.length], data })
  const weighted = graph.op('Mul', [graph.op('Gather', [vector('idf', idf), ids]), tf])
  const length = graph.op('Sqrt', [graph.op('ReduceSumSquare', [weighted], { axes: [1], keepdims: 1 })])
  const unit = graph.op('Div', [weighted, graph.op('Max', [length, graph.scalar(1e-12)])])
  const scaled = graph.op('Mul', [unit, graph.op('Gather', [vector('scales', scales), ids])])
  const most = graph.op('Max', [graph.op('ReduceMax', [scaled], { axes: [1], keepdims: 1 }), graph.scalar(1e-12)])
  const steps = graph.op('Div', [most, graph.scalar(WEIGHT_MAX)])
  const rounded = graph.op('Cast', [graph.op('Round', [graph.op('Div', [scaled, steps])])], { to: 2 })
  const rows = graph.op('Gather', [
    graph.tensor('table', { dtype: 'int8', dims: [idf.length, width], data: table }),
    ids,
  ])
  const product = graph.op('MatMulInteger', [graph.op('Unsqueeze', [rounded, graph.ints(1)]), rows])
  const sums = graph.op('Cast', [graph.op('Squeeze', [product, graph.ints(1)])], { to: 1 })
  const w = graph.tensor('w', { dtype: 'float32', dims: [width, tree.paths], data: folded.w })
  const logits = graph.op('MatMul', [graph.op('Mul', [sums, steps]), w])
  const biased = graph.op('Add', [logits, vector('b', folded.b)])
  graph.output('probabilities', graph.op('Softmax', [biased], { axis: 1 }), ['B', tree.paths])
  return graph.spec()
}

/** Joins the shards' columns; each row is rounded to eight bits by its own largest value. */
function quantised(
  tables: readonly Float32Array[],
  width: number,
): { readonly table: Int8Array; readonly scales: Float32Array } {
  const columns = width / tables.length
  const buckets = tables[0]!.length / columns
  const table = new Int8Array(buckets * width)
  const scales = new Float32Array(buckets)
  for (let row = 0; row < buckets; row++) {
    let most = 0
    for (const shard of tables)
      for (let k = row * columns; k < (row + 1) * columns; k++) most = Math.max(most, Math.abs(shard[k]!))
    const scale = most / TABLE_MAX || 1
    scales[row] = scale
    tables.forEach((shard, index) => {
      const from = row * columns
      const to = row * width + index * columns
      for (let k = 0; k < columns; k++) table[to + k] = Math.round(shard[from + k]! / scale)
    })
  }
  return { table, scales }
}

/** softmax over paths of Σ (h · w_level + b_level)[node] / t_level is one head: w[:, path] = Σ w_level[:, node] / t. */
function foldHeads({ weights, width, tree, temperatures }: ExportInput): { w: Float32Array; b: Float32Array } {
  const w = new Float32Array(width * tree.paths)
  const b = new Float32Array(tree.paths)
  tree.nodeOf.forEach((nodeOf, level) => {
    const head = weights.heads[level]!
    const nodes = tree.nodes[level]!
    const share = 1 / temperatures[level]!
    for (let path = 0; path < tree.paths; path++) {
      const node = nodeOf[path]!
      b[path]! += head.b[node]! * share
      for (let k = 0; k < width; k++) w[k * tree.paths + path]! += head.w[k * nodes + node]! * share
    }
  })
  return { w, b }
}
