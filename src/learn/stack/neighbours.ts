// Nearest neighbours among the vectors of the training rows, as a graph: eight-bit memory, cosine of what differs from
// the mean vector, the k nearest.
// A vote of neighbours remembers single products, which heads forget (Khandelwal et al. 2020, nearest-neighbour LMs).
import { scaling } from '../encoder/fit.ts'
import { GraphBuilder } from '../graph-builder.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { VectorRows } from '../encoder/fit.ts'

export const NEIGHBOURS = 32
const BLOCK = 32
const BITS = 8
const ZERO = 128
const LENGTH_MIN = 1e-6
/** Vectors are rounded to eight bits inside the product too. */
const ACCURACY_INT8 = 4

/** What was seen: vectors rounded to eight bits, a scale for each 32 numbers, the path of each row. */
export interface Memory {
  readonly rows: number
  readonly dims: number
  /** Taken off every vector before its length is made one. */
  readonly mean: Float32Array
  readonly bytes: Uint8Array
  readonly scales: Float32Array
  readonly paths: Int32Array
}

/** `dims` is a multiple of 32. */
export function remember(data: VectorRows): Memory {
  const { vectors, dims, rows, gold } = data
  const blocks = dims / BLOCK
  const { mean } = scaling(data)
  const own = new Float32Array(dims)
  const bytes = new Uint8Array(rows.length * dims)
  const scales = new Float32Array(rows.length * blocks)
  rows.forEach((row, at) => {
    let squares = 0
    for (let k = 0; k < dims; k++) {
      own[k] = vectors[row * dims + k]! - mean[k]!
      squares += own[k]! ** 2
    }
    const length = Math.max(Math.sqrt(squares), LENGTH_MIN)
    for (let block = 0; block < blocks; block++) {
      const part = own.subarray(block * BLOCK, (block + 1) * BLOCK)
      const scale = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127 || 1
      scales[at * blocks + block] = scale / length
      part.forEach((value, k) => (bytes[at * dims + block * BLOCK + k] = ZERO + Math.round(value / scale)))
    }
  })
  return { rows: rows.length, dims, mean, bytes, scales, paths: gold }
}

/** Adds the neighbours of vectors `x` [B, dims]: cosines [B, k], best first, and their paths [B, k] int64. */
export function neighbours(graph: GraphBuilder, x: string, memory: Memory): { cosines: string; paths: string } {
  const { rows, dims, mean, bytes, scales, paths } = memory
  const blocks = dims / BLOCK
  const packed = graph.tensor('memory', { dtype: 'uint8', dims: [rows, blocks, BLOCK], data: bytes })
  const scale = graph.tensor('memory-scales', { dtype: 'float32', dims: [rows * blocks], data: scales })
  const attributes = { K: dims, N: rows, bits: BITS, block_size: BLOCK, accuracy_level: ACCURACY_INT8 }
  const own = graph.op('Sub', [x, graph.tensor('memory-mean', { dtype: 'float32', dims: [dims], data: mean })])
  const squares = graph.op('ReduceSumSquare', [own], { axes: [1], keepdims: 1 })
  const length = graph.op('Max', [graph.op('Sqrt', [squares]), graph.scalar(LENGTH_MIN)])
  const all = graph.op('MatMulNBits', [graph.op('Div', [own, length]), packed, scale], attributes, {
    domain: 'com.microsoft',
  })
  const { values, indices } = graph.top(all, Math.min(NEIGHBOURS, rows))
  const known = graph.tensor('memory-paths', {
    dtype: 'int64',
    dims: [rows],
    data: BigInt64Array.from(paths, BigInt),
  })
  return { cosines: values, paths: graph.op('Gather', [known, indices]) }
}

/** Input: vectors [B, dims]. Outputs: cosines [B, k] and paths [B, k]. */
export function neighboursGraph(memory: Memory): GraphSpec {
  const graph = new GraphBuilder('neighbours')
  const found = neighbours(graph, graph.input('vectors', ['B', memory.dims]), memory)
  const k = Math.min(NEIGHBOURS, memory.rows)
  graph.output('cosines', found.cosines, ['B', k])
  graph.output('paths', found.paths, ['B', k], 'int64')
  return graph.spec()
}

export interface Vote {
  /** A neighbour counts exp((cosine − 1) / warmth). */
  readonly warmth: number
  /** What every path gets beforehand, shared among all: how much of a vote it takes to be believed. */
  readonly doubt: number
}

/** Adds the vote: ln of a distribution over paths, [B, paths]. */
export function votes(
  graph: GraphBuilder,
  { cosines, paths }: { readonly cosines: string; readonly paths: string },
  tree: Tree,
  { warmth, doubt }: Vote,
): string {
  const far = graph.op('Sub', [cosines, graph.scalar(1)])
  const weights = graph.op('Exp', [graph.op('Div', [far, graph.scalar(warmth)])])
  const rows = graph.op('Slice', [graph.op('Shape', [cosines]), graph.ints(0), graph.ints(1)])
  const shape = graph.op('Concat', [rows, graph.ints(tree.paths)], { axis: 0 })
  const start = graph.op('Expand', [graph.scalar(doubt / tree.paths), shape])
  const counted = graph.op('ScatterElements', [start, paths, weights], { axis: 1, reduction: 'add' })
  const total = graph.op('ReduceSum', [counted, graph.ints(1)], { keepdims: 1 })
  return graph.op('Log', [graph.op('Div', [counted, total])])
}

/** The same vote of one row in plain numbers: ln of a distribution over paths, written to `out` at `at`. */
export function voteRow(
  cosines: Float32Array,
  paths: BigInt64Array,
  row: number,
  k: number,
  { warmth, doubt }: Vote,
  out: Float32Array,
  at: number,
  pathCount: number,
): void {
  out.fill(doubt / pathCount, at, at + pathCount)
  let total = doubt
  for (let index = row * k; index < (row + 1) * k; index++) {
    const weight = Math.exp((cosines[index]! - 1) / warmth)
    out[at + Number(paths[index]!)]! += weight
    total += weight
  }
  for (let path = at; path < at + pathCount; path++) out[path] = Math.log(out[path]! / total)
}
