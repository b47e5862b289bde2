// One fit of the lexical model, on one thread: the loop that joins the sparse half (a table of embeddings) and the dense
// half (a graph). Repeatable to the bit for a seed on one machine. Says how good it is on rows that it never sees, and
// leaves it to others what follows from that.
import { SluiceError } from '../../core/error.ts'
import { random, shuffle } from '../../core/random.ts'
import { arena, bytesOf, kernelMemory } from '../simd.ts'
import { filler, vocabulary as vocabularyOf } from './batches.ts'
import { embeddingArrays, embeddingBytes, embeddings } from './embeddings.ts'
import { headBytes, startHead } from './head-fit.ts'
import { MARGIN_SQUARES_KEPT, addMargins, margins } from './margins.ts'
import { batchRowsFor, columnsFor } from './settings.ts'
import { rightPaths } from './validate.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Random } from '../../core/random.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { Fill, RowFeatures, Subset, Vocabulary } from './batches.ts'
import type { Embeddings, SparseBatch } from './embeddings.ts'
import type { Head, HeadWeights } from './head-fit.ts'
import type { Margins } from './margins.ts'
import type { Columns, LexicalSettings } from './settings.ts'

/** Weights after a fit. */
export interface Weights {
  readonly columns: Columns
  /** [buckets × width] */
  readonly table: Float32Array<ArrayBuffer>
  /** Per level, w [network × nodes] and b [nodes], on the network's sums where they are above nothing. */
  readonly heads: readonly HeadWeights[]
  /** Biases of the margins, one per column of theirs. */
  readonly biases: Float32Array
}

export interface FitInput {
  readonly features: RowFeatures
  /** The rows to learn from. */
  readonly kept: Subset
  /** Rows to judge, that are not learned from. */
  readonly held: Subset
  /** The epoch (from 1) from which on all of them are judged after each; a few are before. Undefined: at the end only. */
  readonly judgedFrom?: number | undefined
  readonly tree: Tree
  readonly epochs: number
  readonly seed: number
  readonly settings: LexicalSettings
}

export interface Fitted {
  readonly weights: Weights
  readonly vocabulary: Vocabulary
  /** Of the rows held out, each level for itself and uncalibrated. */
  readonly logits: LevelLogits
}

export interface FitTools {
  readonly runtime: GraphRuntime
  /** Asked at every step; true ends the fit without a result. */
  readonly stopped: () => boolean
  /** Called every few steps; `loss` is the mean of the running epoch so far. */
  readonly onStep: (step: number, loss: number) => void
  /** Called after each epoch (from 1), with what rows held out were judged if any. */
  readonly onEpoch: (epoch: number, loss: number, judged: Judged | undefined) => void
}

/** Of so many rows, how many are right down to each level, l1 first. */
export interface Judged {
  readonly rows: number
  readonly right: readonly number[]
}

const STEPS_PER_REPORT = 20

/** While an epoch's accuracy decides nothing, evenly spread rows are judged: less than twice so many. */
const FEW_ROWS = 500

/** Steps that a fit on so many rows takes. */
export const stepsOf = (rows: number, epochs: number): number => Math.ceil(rows / batchRowsFor(rows)) * epochs

/** Throws SL503 where the loss is not finite. */
export async function fit(input: FitInput, tools: FitTools): Promise<Fitted | undefined> {
  const { features, kept, tree, settings } = input
  const columns = columnsFor(tree, settings)
  const { network, width } = columns
  const batchRows = batchRowsFor(kept.rows.length)
  const batchFeatures = batchRows * features.settings.featuresMax
  const vocabulary = vocabularyOf(features, kept.rows, settings.idfPower)
  const blocks = [
    { columns: network, keep: settings.squaresKept },
    ...(width > network ? [{ columns: width - network, keep: MARGIN_SQUARES_KEPT }] : []),
  ]
  const size = { buckets: vocabulary.idf.length, columns: width, blocks, features: batchFeatures }
  const dense = { width: network, classes: tree.nodes }
  const batchBytes = bytesOf(batchRows + 1) + 2 * bytesOf(batchFeatures) + 2 * bytesOf(batchRows * width)
  const memory = kernelMemory(embeddingBytes(size) + batchBytes + headBytes(dense))
  const all = arena(memory)
  const arrays = embeddingArrays(all, size)
  const next = random(input.seed)
  spreadOut(arrays.table, columns, settings.spread, next)
  const head = await startHead(memory, all, { ...dense, ...settings }, next, tools.runtime)
  try {
    return await loop(input, tools, {
      columns,
      batchRows,
      vocabulary,
      next,
      fill: filler(features, vocabulary),
      table: arrays.table,
      sparse: embeddings(memory, arrays, size, settings.adamw),
      head,
      beside: columns.margins === 0 ? undefined : margins(tree, settings.adamw),
      batch: {
        rows: 0,
        offsets: all.ints(batchRows + 1),
        ids: all.ints(batchFeatures),
        weights: all.floats(batchFeatures),
      },
      sums: all.floats(batchRows * width),
      gradient: all.floats(batchRows * width),
      hidden: new Float32Array(batchRows * network),
    })
  } finally {
    await head.close()
  }
}

/** A fit while it runs. */
interface Fitting {
  readonly columns: Columns
  readonly batchRows: number
  readonly vocabulary: Vocabulary
  readonly next: Random
  readonly fill: Fill
  readonly table: Float32Array<ArrayBuffer>
  readonly sparse: Embeddings
  readonly head: Head
  readonly beside: Margins | undefined
  readonly batch: SparseBatch
  /** [batchRows × width], both. */
  readonly sums: Float32Array
  readonly gradient: Float32Array
  /** [batchRows × network] */
  readonly hidden: Float32Array
}

async function loop(input: FitInput, tools: FitTools, fitting: Fitting): Promise<Fitted | undefined> {
  const { kept, held, judgedFrom, tree, settings, epochs } = input
  const { columns, batchRows, vocabulary, next, fill, table, sparse, head, beside, batch, sums, gradient, hidden } =
    fitting
  const { network, width } = columns
  const dropout = { share: settings.featureDropout, next: random(input.seed + 1) }
  const order = Int32Array.from(kept.rows.keys())
  const rows = new Int32Array(order.length)
  const mask = new Float32Array(hidden.length)
  const steps = stepsOf(order.length, epochs)
  const perEpoch = steps / epochs
  const few = spreadRows(held, Math.max(1, Math.floor(held.rows.length / FEW_ROWS)))
  let step = 0
  let logits: LevelLogits | undefined
  for (let epoch = 1; epoch <= epochs; epoch++) {
    shuffle(order, next)
    order.forEach((at, to) => (rows[to] = kept.rows[at]!))
    let losses = 0
    for (let at = 0; at < perEpoch; at++) {
      if (tools.stopped()) return undefined
      const from = at * batchRows
      fill(batch, rows, from, Math.min(from + batchRows, rows.length), dropout)
      const rate = settings.learningRate * schedule(++step / steps, settings.warmup)
      const gold = Int32Array.from(order.subarray(from, from + batch.rows), (row) => kept.gold[row]!)
      sparse.forward(batch, sums)
      activate(sums, width, hidden, mask, batch.rows, settings.sumDropout, next)
      const { loss, dh } = await head.step(hidden, goldNodes(tree, gold), rate, step)
      spreadBack(dh, mask, network, gradient, width)
      const missed = beside?.step({ sums, gradient, width, at: network, gold, rate, step }) ?? 0
      sparse.backward(batch, gradient, rate, step)
      losses += finite(loss + missed, epoch, step)
      if (step % STEPS_PER_REPORT === 0 || step === steps) tools.onStep(step, losses / (at + 1))
    }
    const ended = epoch === epochs
    if (ended || judgedFrom !== undefined)
      logits = await heldLogits(ended || epoch >= judgedFrom! ? held : few, tree, fitting)
    const judged = judgedFrom === undefined ? undefined : { rows: logits!.rows, right: rightPaths(logits!, tree) }
    tools.onEpoch(epoch, losses / perEpoch, judged)
  }
  const biases = beside?.biases ?? new Float32Array()
  return { weights: { columns, table: table.slice(), heads: head.weights(), biases }, vocabulary, logits: logits! }
}

/** Every row at a multiple of the stride. */
function spreadRows({ rows, gold }: Subset, stride: number): Subset {
  const taken = (_: number, at: number) => at % stride === 0
  return { rows: rows.filter(taken), gold: gold.filter(taken) }
}

/** Logits of rows that are not learned from, each level for itself: the network's, and a share of the margins'. */
async function heldLogits(
  { rows, gold }: Subset,
  tree: Tree,
  { columns, batchRows, fill, sparse, head, beside, batch, sums, hidden }: Fitting,
): Promise<LevelLogits> {
  const { network, width } = columns
  const logits = tree.nodes.map((nodes) => new Float32Array(rows.length * nodes))
  for (let from = 0; from < rows.length; from += batchRows) {
    fill(batch, rows, from, Math.min(from + batchRows, rows.length))
    sparse.forward(batch, sums)
    for (let row = 0; row < batch.rows; row++)
      for (let k = 0; k < network; k++) hidden[row * network + k] = Math.max(sums[row * width + k]!, 0)
    const said = await head.logits(hidden, batch.rows)
    if (beside) addMargins(said, beside.biases, { sums, width, at: network, rows: batch.rows })
    said.forEach((own, level) => logits[level]!.set(own, from * tree.nodes[level]!))
  }
  return { rows: rows.length, logits, gold }
}

/** First weights of the network's columns, even within ± √3 · spread; row 0 and the margins start from nothing. */
function spreadOut(table: Float32Array, { network, width }: Columns, spread: number, next: Random): void {
  const widest = Math.sqrt(3) * spread
  for (let row = width; row < table.length; row += width)
    for (let k = 0; k < network; k++) table[row + k] = widest * (2 * next() - 1)
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
  const rows = slopes.length / network
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < network; k++) gradient[row * width + k] = slopes[row * network + k]! * mask[row * network + k]!
}

/** Linear warm-up, then linear decay to nothing; progress in (0, 1]. */
function schedule(progress: number, warmup: number): number {
  return progress < warmup ? progress / warmup : (1 - progress) / (1 - warmup)
}

/** Per level, the node of each path. */
const goldNodes = ({ nodeOf }: Tree, gold: Int32Array): Int32Array[] =>
  nodeOf.map((of) => gold.map((path) => of[path]!))

function finite(loss: number, epoch: number, step: number): number {
  if (!Number.isFinite(loss)) throw new SluiceError('SL503', `the loss is ${loss} in epoch ${epoch}, step ${step}`)
  return loss
}
