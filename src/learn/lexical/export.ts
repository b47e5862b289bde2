// From trained weights to the graph that serves them: everything after hashing, from feature ids to a probability for
// every existing path. Eight-bit table, one scale a row: the network's columns, then a column a path for the margins of
// all levels; the network's heads folded into one over paths.
// Changes no decision of training except by rounding; `sluice train` prints what that costs.
import { GraphBuilder } from '../graph-builder.ts'
import { marginLogit } from './margins.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { Vocabulary } from './batches.ts'
import type { Weights } from './fit.ts'
import type { Columns } from './settings.ts'

/** Largest value of a rounded feature weight: 7 bits, so that pairs of products fit 16 bits on CPUs without VNNI. */
const WEIGHT_MAX = 127
const TABLE_MAX = 127

export interface ExportInput {
  readonly weights: Weights
  readonly vocabulary: Vocabulary
  readonly tree: Tree
  /** Per level, l1 first. */
  readonly temperatures: readonly number[]
}

/**
 * Inputs: ids [B, F] int32 in [0, buckets), tf [B, F] float32 (1 + ln count; 0 pads). Output: probabilities [B, paths],
 * the joint distribution over existing paths. A row without features gives the prior that the biases hold.
 */
export function servingGraph(input: ExportInput): GraphSpec {
  const { vocabulary, tree, weights } = input
  const { idf, rowOf } = vocabulary
  const { network } = weights.columns
  const folded = fold(input)
  const { table, scales, width } = quantised(folded, network)
  const graph = new GraphBuilder('lexical')
  const ids = graph.input('ids', ['B', 'F'], 'int32')
  const tf = graph.input('tf', ['B', 'F'])
  const vector = (name: string, data: Float32Array) =>
    graph.tensor(name, { dtype: 'float32', dims: [data.length], data })
  // Numbers are looked up by GatherElements on flat ids: onnxruntime's Gather copies them one by one as if each were a row.
  const shape = graph.op('Shape', [ids])
  const lookedUp = (table: string, flat: string) => graph.op('GatherElements', [table, flat], { axis: 0 })
  const shaped = (flat: string) => graph.op('Reshape', [flat, shape])
  const rowTable = graph.tensor('row-of', { dtype: 'int32', dims: [rowOf.length], data: rowOf })
  const at = lookedUp(rowTable, graph.op('Reshape', [ids, graph.ints(-1)]))
  const weighted = graph.op('Mul', [shaped(lookedUp(vector('idf', idf), at)), tf])
  const length = graph.op('Sqrt', [graph.op('ReduceSumSquare', [weighted], { axes: [1], keepdims: 1 })])
  const unit = graph.op('Div', [weighted, graph.op('Max', [length, graph.scalar(1e-12)])])
  const scaled = graph.op('Mul', [unit, shaped(lookedUp(vector('scales', scales), at))])
  const most = graph.op('Max', [graph.op('ReduceMax', [scaled], { axes: [1], keepdims: 1 }), graph.scalar(1e-12)])
  const steps = graph.op('Div', [most, graph.scalar(WEIGHT_MAX)])
  const rounded = graph.op('Cast', [graph.op('Round', [graph.op('Div', [scaled, steps])])], { to: 2 })
  const rows = graph.op('Gather', [
    graph.tensor('table', { dtype: 'int8', dims: [idf.length, width], data: table }),
    shaped(at),
  ])
  const product = graph.op('MatMulInteger', [graph.op('Unsqueeze', [rounded, graph.ints(1)]), rows])
  const sums = graph.op('Mul', [graph.op('Cast', [graph.op('Squeeze', [product, graph.ints(1)])], { to: 1 }), steps])
  const columns = (from: number, to: number) =>
    width === to - from ? sums : graph.op('Slice', [sums, graph.ints(from), graph.ints(to), graph.ints(1)])
  const w = graph.tensor('w', { dtype: 'float32', dims: [network, tree.paths], data: folded.w })
  const own = graph.op('MatMul', [graph.op('Relu', [columns(0, network)]), w])
  const logits = folded.margins === undefined ? own : graph.op('Add', [own, columns(network, width)])
  const biased = graph.op('Add', [logits, vector('b', folded.b)])
  graph.output('probabilities', graph.op('Softmax', [biased], { axis: 1 }), ['B', tree.paths])
  return graph.spec()
}

/** Bytes of the graph's tensors, for a table of so many rows. */
export function servingBytes(rows: number, buckets: number, tree: Tree, { network, margins }: Columns): number {
  const wide = network + (margins === 0 ? 0 : tree.paths)
  return rows * (wide + 8) + 4 * (buckets + (network + 1) * tree.paths)
}

interface Folded {
  /** [buckets × network] */
  readonly embeddings: Float32Array
  /** [buckets × paths], where the model has margins: what a feature adds to the logit of a path. */
  readonly margins: Float32Array | undefined
  /** [network × paths] and [paths]: one head over paths for those of all levels. */
  readonly w: Float32Array
  readonly b: Float32Array
}

/** The logit of a path is Σ over levels of its node's logit / the level's temperature, so columns and heads add up. */
function fold({ weights, tree, temperatures }: ExportInput): Folded {
  const { columns, table, heads, biases } = weights
  const { network } = columns
  const buckets = table.length / columns.width
  const embeddings = new Float32Array(buckets * network)
  for (let row = 0; row < buckets; row++)
    embeddings.set(table.subarray(row * columns.width, row * columns.width + network), row * network)
  const margins = columns.margins === 0 ? undefined : new Float32Array(buckets * tree.paths)
  const w = new Float32Array(network * tree.paths)
  const b = new Float32Array(tree.paths)
  let first = 0
  tree.nodeOf.forEach((nodeOf, level) => {
    const head = heads[level]!
    const nodes = tree.nodes[level]!
    const share = 1 / temperatures[level]!
    for (let path = 0; path < tree.paths; path++) {
      const node = nodeOf[path]!
      b[path]! += head.b[node]! * share
      for (let k = 0; k < network; k++) w[k * tree.paths + path]! += head.w[k * nodes + node]! * share
      if (margins === undefined) continue
      const { slope, offset } = marginLogit(biases[first + node]!)
      b[path]! += offset * share
      const from = network + first + node
      for (let row = 0; row < buckets; row++)
        margins[row * tree.paths + path]! += slope * share * table[row * columns.width + from]!
    }
    first += nodes
  })
  return { embeddings, margins, w, b }
}

interface Quantised {
  readonly table: Int8Array
  readonly scales: Float32Array
  readonly width: number
}

/**
 * Each row is rounded to eight bits by its own largest value. Both halves of a row share it, so the network's is first
 * brought to the size of the margins'; its head takes that back, for max(c · x, 0) = c · max(x, 0).
 */
function quantised({ embeddings, margins, w }: Folded, network: number): Quantised {
  const buckets = embeddings.length / network
  const more = margins === undefined ? 0 : margins.length / buckets
  const width = network + more
  const stretch = margins === undefined ? 1 : deviation(margins) / (deviation(embeddings) || 1) || 1
  for (let i = 0; i < w.length; i++) w[i]! /= stretch
  const table = new Int8Array(buckets * width)
  const scales = new Float32Array(buckets)
  const line = new Float32Array(width)
  for (let row = 0; row < buckets; row++) {
    for (let k = 0; k < network; k++) line[k] = stretch * embeddings[row * network + k]!
    if (margins !== undefined) line.set(margins.subarray(row * more, (row + 1) * more), network)
    let most = 0
    for (let k = 0; k < width; k++) most = Math.max(most, Math.abs(line[k]!))
    if (most === 0) continue // and its scale is nothing: it must not coarsen the steps of a text's other features
    const scale = most / TABLE_MAX
    scales[row] = scale
    for (let k = 0; k < width; k++) table[row * width + k] = Math.round(line[k]! / scale)
  }
  return { table, scales, width }
}

/** Root of the mean square. */
function deviation(values: Float32Array): number {
  let squares = 0
  for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!
  return Math.sqrt(squares / values.length)
}
