// One fit of the lexical model: the loop that joins the sparse half (worker threads) and the dense half (a graph).
// Repeatable to the bit for a seed on one machine. Fits what it is given and judges nothing: `after` looks on.
import { SluiceError } from '../../core/error.ts'
import { normal, random, shuffle } from '../../core/random.ts'
import { adamwFeeds, carry } from '../adamw.ts'
import { filler } from './batches.ts'
import { headStep } from './head.ts'
import { batchRowsFor } from './settings.ts'
import { startShards } from './shards.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Random } from '../../core/random.ts'
import type { Compiled, GraphRuntime, Tensor } from '../../ports/graph.ts'
import type { Example } from '../examples.ts'
import type { LexicalSettings } from './settings.ts'
import type { Shards } from './shards.ts'

/** Weights during and after a fit. */
export interface Weights {
  /** Column shards of the table, [buckets × width/shards] each. */
  readonly tables: readonly Float32Array[]
  /** Per level, w [width × nodes] and b [nodes]. */
  readonly heads: readonly { readonly w: Float32Array; readonly b: Float32Array }[]
}

export interface FitInput {
  readonly examples: readonly Example[]
  /** Index of each example's path. */
  readonly gold: Int32Array
  readonly tree: Tree
  readonly idf: Float32Array
  readonly epochs: number
  readonly seed: number
  readonly settings: LexicalSettings
}

export interface FitTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  /** Called every few steps; `loss` is the mean of the running epoch so far. */
  readonly onStep: (step: number, steps: number, loss: number) => void
  /** Called after each epoch (from 1); false ends the fit. */
  readonly after: (epoch: number, weights: Weights, loss: number) => boolean
}

const STEPS_PER_REPORT = 20

/** Throws SL503 where the loss is not finite; the signal's reason when aborted. */
export async function fit(input: FitInput, tools: FitTools): Promise<Weights> {
  const { settings, tree } = input
  const { width, threads, features } = settings
  const batchRows = batchRowsFor(input.examples.length)
  const step = await tools.runtime.compile(tools.runtime.serialise(headStep(headSettings(settings, tree))), { threads })
  const shards = startShards({
    buckets: features.buckets,
    width,
    threads,
    batchRows,
    batchFeatures: batchRows * features.featuresMax,
    adamw: settings.adamw,
  })
  try {
    return await loop(input, tools, step, shards)
  } finally {
    await shards.close()
    await step.close()
  }
}

function headSettings(settings: LexicalSettings, tree: Tree): Parameters<typeof headStep>[0] {
  const { width, labelSmoothing, adamw, levelDecay } = settings
  const levelWeights = tree.nodes.map((_, level) => levelDecay ** (tree.levels - 1 - level))
  return { width, classes: tree.nodes, levelWeights, labelSmoothing, adamw }
}

async function loop(input: FitInput, tools: FitTools, compiled: Compiled, shards: Shards): Promise<Weights> {
  const { examples, tree, settings, epochs, idf } = input
  const { width } = settings
  const batchRows = batchRowsFor(examples.length)
  const next = random(input.seed)
  for (const table of shards.tables) for (let i = 0; i < table.length; i++) table[i] = settings.spread * normal(next)
  let state = headState(width, tree, settings.spread, next)
  const fill = filler(settings.features, idf, { share: settings.featureDropout, next: random(input.seed + 1) })
  const order = Int32Array.from(examples, (_, index) => index)
  const perEpoch = Math.ceil(examples.length / batchRows)
  const steps = perEpoch * epochs
  const mask = new Float32Array(batchRows * width)
  let step = 0
  for (let epoch = 1; epoch <= epochs; epoch++) {
    shuffle(order, next)
    let losses = 0
    const fillNext = (at: number) =>
      fill(shards.batches[at % 2]!, examples, order, at * batchRows, Math.min((at + 1) * batchRows, order.length))
    fillNext(0)
    for (let at = 0; at < perEpoch; at++) {
      tools.signal.throwIfAborted()
      const rows = shards.batches[at % 2]!.rows
      const rate = settings.learningRate * schedule(++step / steps, settings.warmup)
      await shards.forward(at % 2)
      const sums = shards.sums.slice(0, rows * width)
      dropOut(sums, mask, settings.sumDropout, next)
      const outputs = await compiled.run({
        h: { dtype: 'float32', dims: [rows, width], data: sums },
        ...targets(input, order, at * batchRows, rows),
        ...adamwFeeds(step, rate, settings.adamw),
        ...state,
      })
      state = carry(outputs)
      losses += lossOf(outputs, epoch, step)
      const gradient = outputs['dh']!.data as Float32Array
      for (let i = 0; i < gradient.length; i++) shards.gradient[i] = gradient[i]! * mask[i]!
      const update = shards.backward(at % 2, rate, step)
      if (at + 1 < perEpoch) fillNext(at + 1)
      await update
      if (step % STEPS_PER_REPORT === 0) tools.onStep(step, steps, losses / (at + 1))
    }
    const weights = { tables: shards.tables, heads: heads(state, tree) }
    if (!tools.after(epoch, weights, losses / perEpoch)) return weights
  }
  return { tables: shards.tables, heads: heads(state, tree) }
}

/** Linear warm-up, then linear decay to nothing; progress in (0, 1]. */
function schedule(progress: number, warmup: number): number {
  return progress < warmup ? progress / warmup : (1 - progress) / (1 - warmup)
}

function dropOut(values: Float32Array, mask: Float32Array, share: number, next: Random): void {
  const scale = 1 / (1 - share)
  for (let i = 0; i < values.length; i++) {
    const keep = next() < share ? 0 : scale
    mask[i] = keep
    values[i]! *= keep
  }
}

function targets({ gold, tree }: FitInput, order: Int32Array, from: number, rows: number): Record<string, Tensor> {
  return Object.fromEntries(
    tree.nodeOf.map((nodeOf, level) => {
      const data = new Int32Array(rows)
      for (let row = 0; row < rows; row++) data[row] = nodeOf[gold[order[from + row]!]!]!
      return [`y${level}`, { dtype: 'int32', dims: [rows], data }]
    }),
  )
}

function lossOf(outputs: Readonly<Record<string, Tensor>>, epoch: number, step: number): number {
  const loss = Number(outputs['loss']!.data[0])
  if (!Number.isFinite(loss)) throw new SluiceError('SL503', `the loss is ${loss} in epoch ${epoch}, step ${step}`)
  return loss
}

function headState(width: number, tree: Tree, spread: number, next: Random): Record<string, Tensor> {
  const state: Record<string, Tensor> = {}
  tree.nodes.forEach((nodes, level) => {
    const make = (name: string, dims: readonly number[], value: () => number) => {
      const size = dims.reduce((product, dim) => product * dim, 1)
      state[name] = { dtype: 'float32', dims, data: Float32Array.from({ length: size }, value) }
    }
    make(`w${level}`, [width, nodes], () => spread * normal(next))
    make(`b${level}`, [nodes], () => 0)
    for (const moment of ['m', 'v']) {
      make(`w${level}.${moment}`, [width, nodes], () => 0)
      make(`b${level}.${moment}`, [nodes], () => 0)
    }
  })
  return state
}

function heads(state: Readonly<Record<string, Tensor>>, tree: Tree): Weights['heads'] {
  return tree.nodes.map((_, level) => ({
    w: state[`w${level}`]!.data as Float32Array,
    b: state[`b${level}`]!.data as Float32Array,
  }))
}
