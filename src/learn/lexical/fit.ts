// One fit of the lexical model: the loop that joins the sparse half (worker threads) and the dense half (a graph).
// Repeatable to the bit for a seed on one machine. Fits what it is given and judges nothing: `after` looks on.
import { SluiceError } from '../../core/error.ts'
import { normal, random, shuffle } from '../../core/random.ts'
import { adamwFeeds, carry } from '../adamw.ts'
import { filler } from './batches.ts'
import { headStep } from './head.ts'
import { margins } from './margins.ts'
import { batchRowsFor, columnsFor } from './settings.ts'
import { startShards } from './shards.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Random } from '../../core/random.ts'
import type { Compiled, GraphRuntime, Tensor } from '../../ports/graph.ts'
import type { Example } from '../examples.ts'
import type { Vocabulary } from './batches.ts'
import type { Columns, LexicalSettings } from './settings.ts'
import type { Shards } from './shards.ts'

/** Weights during and after a fit. */
export interface Weights {
  readonly columns: Columns
  /** Column shards of the table, [buckets × width/shards] each. */
  readonly tables: readonly Float32Array[]
  /** Per level, w [network × nodes] and b [nodes], on the network's sums where they are above nothing. */
  readonly heads: readonly { readonly w: Float32Array; readonly b: Float32Array }[]
  /** Biases of the margins, one per column of theirs. */
  readonly biases: Float32Array
}

export interface FitInput {
  readonly examples: readonly Example[]
  /** Index of each example's path. */
  readonly gold: Int32Array
  readonly tree: Tree
  readonly vocabulary: Vocabulary
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
  const { threads, features, labelSmoothing, adamw, levelDecay } = settings
  const batchRows = batchRowsFor(input.examples.length)
  const columns = columnsFor(tree, settings)
  const levelWeights = tree.nodes.map((_, level) => levelDecay ** (tree.levels - 1 - level))
  const head = headStep({ width: columns.network, classes: tree.nodes, levelWeights, labelSmoothing, adamw })
  const step = await tools.runtime.compile(tools.runtime.serialise(head), { threads })
  const shards = await startShards({
    buckets: input.vocabulary.idf.length,
    width: columns.width,
    threads,
    batchRows,
    batchFeatures: batchRows * features.featuresMax,
    adamw,
  })
  try {
    return await loop(input, tools, columns, step, shards)
  } finally {
    await shards.close()
    await step.close()
  }
}

async function loop(
  input: FitInput,
  tools: FitTools,
  columns: Columns,
  compiled: Compiled,
  shards: Shards,
): Promise<Weights> {
  const { examples, tree, settings, epochs, vocabulary } = input
  const { adamw, spread } = settings
  const { network, width } = columns
  const batchRows = batchRowsFor(examples.length)
  const next = random(input.seed)
  spreadOut(shards.tables, columns, spread, next)
  let state = headState(network, tree, spread, next)
  const beside = columns.margins === 0 ? undefined : margins(tree, adamw)
  const fill = filler(settings.features, vocabulary, { share: settings.featureDropout, next: random(input.seed + 1) })
  const order = Int32Array.from(examples, (_, index) => index)
  const perEpoch = Math.ceil(examples.length / batchRows)
  const steps = perEpoch * epochs
  const hidden = new Float32Array(batchRows * network)
  const mask = new Float32Array(batchRows * network)
  const { sums, gradient } = shards
  const weights = () => ({
    columns,
    tables: shards.tables,
    heads: heads(state, tree),
    biases: beside?.biases ?? new Float32Array(),
  })
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
      shards.forward(at % 2)
      activate(sums, width, hidden, mask, rows, settings.sumDropout, next)
      const gold = Int32Array.from(order.subarray(at * batchRows, at * batchRows + rows), (row) => input.gold[row]!)
      const running = compiled.run({
        h: { dtype: 'float32', dims: [rows, network], data: hidden.subarray(0, rows * network) },
        ...targets(tree, gold),
        ...adamwFeeds(step, rate, adamw),
        ...state,
      })
      const missed = beside?.step({ sums, gradient, width, at: network, gold, rate, step }) ?? 0
      const outputs = await running
      state = carry(outputs)
      losses += finite(Number(outputs['loss']!.data[0]) + missed, epoch, step)
      spreadBack(outputs['dh']!.data as Float32Array, mask, network, gradient, width)
      const updated = shards.backward(at % 2, rate, step)
      if (at + 1 < perEpoch) fillNext(at + 1)
      updated()
      if (step % STEPS_PER_REPORT === 0) tools.onStep(step, steps, losses / (at + 1))
    }
    if (!tools.after(epoch, weights(), losses / perEpoch)) return weights()
  }
  return weights()
}

/** First weights of the network's columns; row 0 and the margins start from nothing. */
function spreadOut(tables: readonly Float32Array[], columns: Columns, spread: number, next: Random): void {
  const own = columns.width / tables.length
  tables.forEach((table, index) => {
    for (let i = own; i < table.length; i++)
      if (index * own + (i % own) < columns.network) table[i] = spread * normal(next)
  })
}

/** The network's sums [rows × width → rows × network] where they are above nothing, some left out; `mask` says how. */
function activate(
  sums: Float32Array,
  width: number,
  hidden: Float32Array,
  mask: Float32Array,
  rows: number,
  dropout: number,
  next: Random,
): void {
  const network = mask.length / (sums.length / width)
  const scale = 1 / (1 - dropout)
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < network; k++) {
      const sum = sums[row * width + k]!
      const keep = next() < dropout || sum < 0 ? 0 : scale
      mask[row * network + k] = keep
      hidden[row * network + k] = sum * keep
    }
}

function spreadBack(
  slopes: Float32Array,
  mask: Float32Array,
  network: number,
  gradient: Float32Array,
  width: number,
): void {
  for (let i = 0; i < slopes.length; i++) {
    const row = Math.floor(i / network)
    gradient[row * width + (i - row * network)] = slopes[i]! * mask[i]!
  }
}

/** Linear warm-up, then linear decay to nothing; progress in (0, 1]. */
function schedule(progress: number, warmup: number): number {
  return progress < warmup ? progress / warmup : (1 - progress) / (1 - warmup)
}

function targets({ nodeOf }: Tree, gold: Int32Array): Record<string, Tensor> {
  const nodes = nodeOf.map((of) => gold.map((path) => of[path]!))
  return Object.fromEntries(nodes.map((data, level) => [`y${level}`, { dtype: 'int32', dims: [data.length], data }]))
}

function finite(loss: number, epoch: number, step: number): number {
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
