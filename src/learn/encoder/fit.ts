// One fit of a head over vectors that are already known. Repeatable to the bit for a seed on one machine.
// Fits what it is given and judges nothing: `after` looks on.
import { SluiceError } from '../../core/error.ts'
import { normal, random, shuffle } from '../../core/random.ts'
import { adamwFeeds, carry } from '../adamw.ts'
import { headStep, logitsGraph, shapesOf } from './head.ts'
import { epochsFor } from './settings.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Random } from '../../core/random.ts'
import type { GraphRuntime, Tensor } from '../../ports/graph.ts'
import type { HeadWeights } from './head.ts'
import type { HeadSettings } from './settings.ts'

/** Rows by their place in `vectors` [all rows × dims], with the path of each. */
export interface VectorRows {
  readonly dims: number
  readonly vectors: Float32Array
  readonly rows: Int32Array
  /** Index of the path of every row of `rows`. */
  readonly gold: Int32Array
}

export interface HeadTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  readonly onStep: (step: number, steps: number, loss: number) => void
  /** Called after each epoch (from 1); false ends the fit. */
  readonly after: (epoch: number, weights: HeadWeights, loss: number) => Promise<boolean>
}

const STEPS_PER_REPORT = 20

/** Throws SL503 where the loss is not finite; the signal's reason when aborted. */
export async function fitHead(
  data: VectorRows,
  tree: Tree,
  epochs: number,
  seed: number,
  settings: HeadSettings,
  tools: HeadTools,
): Promise<HeadWeights> {
  const { dims, rows, gold } = data
  const batchRows = batchRowsFor(rows.length)
  const graph = tools.runtime.serialise(headStep(dims, tree.nodes, settings))
  const step = await tools.runtime.compile(graph, { threads: settings.threads })
  try {
    const next = random(seed)
    const shapes = shapesOf(dims, tree.nodes, settings.hidden)
    let state = firstState(shapes, next)
    const order = Int32Array.from(rows, (_, index) => index)
    const perEpoch = Math.ceil(order.length / batchRows)
    // The rate falls over the epochs of the settings, so that a shorter second fit is the first one, cut short.
    const steps = perEpoch * epochsFor(order.length, settings)
    const { mean, gain } = scaling(data)
    const fixed = { mean: vector(mean), gain: vector(gain) }
    const weightsOf = () => ({
      ...fixed,
      ...Object.fromEntries(Object.keys(shapes).map((name) => [name, state[name]!])),
    })
    let at = 0
    for (let epoch = 1; epoch <= epochs; epoch++) {
      shuffle(order, next)
      let losses = 0
      for (let from = 0; from < order.length; from += batchRows) {
        tools.signal.throwIfAborted()
        const part = order.subarray(from, from + batchRows)
        const x = new Float32Array(part.length * dims)
        part.forEach((index, row) => {
          const own = vectorOf(data, rows[index]!)
          for (let k = 0; k < dims; k++) x[row * dims + k] = (own[k]! - mean[k]!) * gain[k]!
        })
        const rate = settings.learningRate * (1 - at / steps)
        const outputs = await step.run({
          x: { dtype: 'float32', dims: [part.length, dims], data: x },
          ...targets(part, gold, tree),
          ...masks(part.length, tree.levels, settings, next),
          ...adamwFeeds(++at, rate, settings.adamw),
          ...state,
        })
        state = carry(outputs)
        const loss = Number(outputs['loss']!.data[0])
        if (!Number.isFinite(loss)) throw new SluiceError('SL503', `the loss is ${loss} in epoch ${epoch}, step ${at}`)
        losses += loss
        if (at % STEPS_PER_REPORT === 0) tools.onStep(at, perEpoch * epochs, losses / (from / batchRows + 1))
      }
      if (!(await tools.after(epoch, weightsOf(), losses / perEpoch))) break
    }
    return weightsOf()
  } finally {
    await step.close()
  }
}

/** Mean of each number over the rows, and one over its deviation: encoders differ, heads want them alike. */
export function scaling(data: VectorRows): { readonly mean: Float32Array; readonly gain: Float32Array } {
  const { dims, rows } = data
  const sums = new Float64Array(dims)
  const squares = new Float64Array(dims)
  for (const row of rows) {
    const own = vectorOf(data, row)
    for (let k = 0; k < dims; k++) {
      sums[k]! += own[k]!
      squares[k]! += own[k]! ** 2
    }
  }
  const mean = Float32Array.from(sums, (sum) => sum / rows.length)
  const gain = Float32Array.from(squares, (sum, k) => 1 / Math.sqrt(Math.max(sum / rows.length - mean[k]! ** 2, 1e-8)))
  return { mean, gain }
}

function vector(data: Float32Array): Tensor {
  return { dtype: 'float32', dims: [data.length], data }
}

const BATCH_ROWS = 512

/** Logits of the rows, uncalibrated. */
export async function headLogits(
  runtime: GraphRuntime,
  data: VectorRows,
  tree: Tree,
  weights: HeadWeights,
  threads: number,
): Promise<LevelLogits> {
  const { dims, rows, gold } = data
  const graph = await runtime.compile(runtime.serialise(logitsGraph(dims, tree, weights)), { threads })
  const logits = tree.nodes.map((nodes) => new Float32Array(rows.length * nodes))
  for (let from = 0; from < rows.length; from += BATCH_ROWS) {
    const part = rows.subarray(from, from + BATCH_ROWS)
    const outputs = await graph.run({ vectors: vectorsOf(data, part) })
    logits.forEach((own, level) => own.set(outputs[`logits${level}`]!.data as Float32Array, from * tree.nodes[level]!))
  }
  await graph.close()
  return { rows: rows.length, logits, gold }
}

/** The vectors of these rows side by side. */
export function vectorsOf(data: Pick<VectorRows, 'dims' | 'vectors'>, rows: Int32Array): Tensor {
  const out = new Float32Array(rows.length * data.dims)
  rows.forEach((row, at) => out.set(vectorOf(data, row), at * data.dims))
  return { dtype: 'float32', dims: [rows.length, data.dims], data: out }
}

function vectorOf({ vectors, dims }: Pick<VectorRows, 'dims' | 'vectors'>, row: number): Float32Array {
  return vectors.subarray(row * dims, (row + 1) * dims)
}

/** Small data learns better from small batches: a power of two near one row in a hundred, between 32 and 256. */
function batchRowsFor(rows: number): number {
  return 2 ** Math.max(5, Math.min(8, Math.round(Math.log2(Math.max(rows, 1) / 100))))
}

/** He et al. 2015 for what a ReLU follows, small numbers for the last layer, nothing for biases and moments. */
function firstState(shapes: Readonly<Record<string, readonly number[]>>, next: Random): Record<string, Tensor> {
  const state: Record<string, Tensor> = {}
  for (const [name, dims] of Object.entries(shapes)) {
    const size = dims.reduce((product, dim) => product * dim, 1)
    const spread = dims.length === 1 ? 0 : name.startsWith('w') ? Math.sqrt(2 / dims[0]!) : 0.02
    const make = (value: () => number): Tensor => ({
      dtype: 'float32',
      dims,
      data: Float32Array.from({ length: size }, value),
    })
    state[name] = make(() => (spread === 0 ? 0 : spread * normal(next)))
    state[`${name}.m`] = make(() => 0)
    state[`${name}.v`] = make(() => 0)
  }
  return state
}

function targets(part: Int32Array, gold: Int32Array, tree: Tree): Record<string, Tensor> {
  return Object.fromEntries(
    tree.nodeOf.map((nodeOf, level) => {
      const data = Int32Array.from(part, (index) => nodeOf[gold[index]!]!)
      return [`y${level}`, { dtype: 'int32', dims: [part.length], data }]
    }),
  )
}

/** What dropout keeps of the hidden units; eight random bits a unit. */
function masks(rows: number, levels: number, settings: HeadSettings, next: Random): Record<string, Tensor> {
  const { hidden, dropout } = settings
  if (hidden === 0) return {}
  const least = Math.round(dropout * 256)
  const scale = 256 / (256 - least)
  return Object.fromEntries(
    Array.from({ length: levels }, (_, level) => {
      const data = new Float32Array(rows * hidden)
      for (let at = 0; at < data.length; at += 4) {
        const bits = next() * 4_294_967_296
        for (let k = 0; k < 4; k++) data[at + k] = ((bits >>> (8 * k)) & 255) < least ? 0 : scale
      }
      return [`keep${level}`, { dtype: 'float32', dims: [rows, hidden], data }]
    }),
  )
}
