// Training of heads over a frozen encoder's vectors: a validated fit that says how good it is and how long to train,
// then a fit on all rows. The linear head beside the hidden layer says which of encoder and head is the limit.
import { fitTemperatures, jointRow } from '../../core/calibration/temperature.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { SluiceError } from '../../core/error.ts'
import { hash32 } from '../../core/random.ts'
import { distributions, judge } from '../judge.ts'
import { fitHead, headLogits } from './fit.ts'
import { servingHead } from './head.ts'
import { LINEAR, MLP, epochsFor } from './settings.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { VectorRows } from './fit.ts'
import type { HeadWeights } from './head.ts'
import type { HeadSettings } from './settings.ts'

export interface HeadProgress {
  readonly phase: string
  readonly kind: 'step' | 'epoch'
  readonly at: number
  readonly of: number
  readonly loss: number
  /** Share of validation rows whose path is right; at the end of an epoch of a validated fit. */
  readonly accuracy?: number
}

export interface EncoderTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  readonly report: (progress: HeadProgress) => void
}

/** A head that was fitted on the rows kept, and what it says of the rows held out. */
export interface ValidatedHead {
  readonly weights: HeadWeights
  readonly epochs: number
  readonly temperatures: readonly number[]
  /** [held rows × paths], calibrated. */
  readonly probabilities: Float32Array
  readonly judgement: Judgement
  /** Share of the rows kept whose path is right. */
  readonly trainingAccuracy: number
}

export interface Sides {
  readonly kept: VectorRows
  readonly held: VectorRows
  readonly all: VectorRows
}

/** Rows go by a hash of their first text, as in lexical training (`split`): equal titles never stand on both sides. */
export function sidesOf(data: Examples, vectors: Float32Array, dims: number, share: number, fold = 0): Sides {
  const index = pathIndex(data.labels)
  const gold = Int32Array.from(data.examples, ({ label }) => index.get(pathKey(label))!)
  const held = data.examples.map(({ texts }) => isHeld(texts, share, fold))
  const side = (wanted: (row: number) => boolean): VectorRows => {
    const rows = Int32Array.from(data.examples.keys()).filter(wanted)
    return { dims, vectors, rows, gold: rows.map((row) => gold[row]!) }
  }
  const sides = { kept: side((row) => !held[row]), held: side((row) => held[row]!), all: side(() => true) }
  if (sides.kept.rows.length === 0 || sides.held.rows.length === 0)
    throw new SluiceError('SL502', `${data.examples.length} rows are too few to keep some for validation`)
  return sides
}

/** Whether a text of that fold is held out where that share of them is. */
export function isHeld(texts: readonly string[], share: number, fold: number): boolean {
  return Math.floor(hash32(texts[0]!) / 2 ** 32 / share) === fold
}

/** Ends early where validation no longer improves, and keeps the best. */
async function validatedHead(
  { kept, held }: Sides,
  tree: Tree,
  seed: number,
  settings: HeadSettings,
  phase: string,
  tools: EncoderTools,
): Promise<ValidatedHead> {
  const { runtime, signal, report } = tools
  const even = tree.nodes.map(() => 1)
  const epochs = epochsFor(kept.rows.length, settings)
  let best: { weights: HeadWeights; epochs: number; logits: LevelLogits; accuracy: number } | undefined
  await fitHead(kept, tree, epochs, seed, settings, {
    runtime,
    signal,
    onStep: (at, of, loss) => report({ phase, kind: 'step', at, of, loss }),
    async after(epoch, weights, loss) {
      const logits = await headLogits(runtime, held, tree, weights, settings.threads)
      const accuracy = accuracyOf(joint(logits, tree, even), held.gold, tree)
      report({ phase, kind: 'epoch', at: epoch, of: epochs, loss, accuracy })
      if (best === undefined || accuracy > best.accuracy) best = { weights, epochs: epoch, logits, accuracy }
      return epoch - best.epochs < settings.patience
    },
  })
  const { weights, logits } = best!
  const temperatures = fitTemperatures(logits, tree)
  const probabilities = joint(logits, tree, temperatures)
  const seen = await headLogits(runtime, kept, tree, weights, settings.threads)
  return {
    weights,
    epochs: best!.epochs,
    temperatures,
    probabilities,
    judgement: judge(distributions(probabilities, held.gold, tree), tree, settings.precision),
    trainingAccuracy: accuracyOf(joint(seen, tree, temperatures), kept.gold, tree),
  }
}

/** Both heads, validated; `better` is the one to serve: a hidden layer needs rows enough to learn from. */
export interface Heads {
  readonly mlp: ValidatedHead
  readonly linear: ValidatedHead
  readonly better: 'mlp' | 'linear'
}

const HEADS = { mlp: MLP, linear: LINEAR }

export async function validatedHeads(sides: Sides, tree: Tree, seed: number, tools: EncoderTools): Promise<Heads> {
  const linear = await validatedHead(sides, tree, seed, LINEAR, 'linear head', tools)
  const mlp = await validatedHead(sides, tree, seed, MLP, 'head with a hidden layer', tools)
  const whole = (head: ValidatedHead) => head.judgement.accuracy.at(-1)!
  return { mlp, linear, better: whole(linear) > whole(mlp) ? 'linear' : 'mlp' }
}

/** The better head fitted again on other rows, for as many epochs as the validated one was best at. */
export function refitHead(
  rows: VectorRows,
  tree: Tree,
  seed: number,
  heads: Heads,
  phase: string,
  { runtime, signal, report }: EncoderTools,
): Promise<HeadWeights> {
  const { epochs } = heads[heads.better]
  return fitHead(rows, tree, epochs, seed, HEADS[heads.better], {
    runtime,
    signal,
    onStep: (at, of, loss) => report({ phase, kind: 'step', at, of, loss }),
    async after(epoch, _, loss) {
      report({ phase, kind: 'epoch', at: epoch, of: epochs, loss })
      return true
    },
  })
}

export interface TrainedEncoder extends Heads {
  /** The ONNX file: vectors → probabilities. */
  readonly model: Uint8Array
  /** What a person should do about it. */
  readonly limit: string
}

/** `vectors` [examples × dims], in the order of the examples. */
export async function trainEncoder(
  data: Examples,
  vectors: Float32Array,
  dims: number,
  seed: number,
  tools: EncoderTools,
): Promise<TrainedEncoder> {
  const tree = treeOf(data.labels)
  const sides = sidesOf(data, vectors, dims, MLP.validationShare)
  const heads = await validatedHeads(sides, tree, seed, tools)
  const weights = await refitHead(sides.all, tree, seed, heads, 'head, all rows', tools)
  const { temperatures } = heads[heads.better]
  const model = tools.runtime.serialise(servingHead(dims, tree, weights, temperatures))
  return { ...heads, model, limit: limitOf(heads) }
}

/** What keeps the accuracy down, told from the heads, their fit to what they saw and the top 5. */
function limitOf(heads: Heads): string {
  const own = heads[heads.better]
  const accuracy = own.judgement.accuracy.at(-1)!
  if (own.judgement.top5 < TOP5_POOR)
    return 'the encoder: the gold path is often not even among the five most probable, so its vectors do not tell it'
  if (own.trainingAccuracy - accuracy > GAP_WIDE)
    return 'the rows: the head fits those it saw far better than others; more rows will help before a larger head does'
  if (accuracy - heads.linear.judgement.accuracy.at(-1)! > GAIN_MUCH)
    return 'the head: a hidden layer helps, so the vectors hold more than a plane can cut out; a wider one may help'
  return 'the encoder: a hidden layer adds little to a plane, so the vectors hold no more; another encoder may'
}

const TOP5_POOR = 0.9
const GAP_WIDE = 0.1
const GAIN_MUCH = 0.01

/** Probabilities [rows × paths]. */
export function joint(logits: LevelLogits, tree: Tree, temperatures: readonly number[]): Float32Array {
  const out = new Float32Array(logits.rows * tree.paths)
  const row = new Float64Array(tree.paths)
  for (let at = 0; at < logits.rows; at++) {
    jointRow(logits, at, tree, temperatures, row)
    out.set(row, at * tree.paths)
  }
  return out
}

/** Share of rows whose most probable path is the gold one. */
function accuracyOf(probabilities: Float32Array, gold: Int32Array, { paths }: Tree): number {
  let right = 0
  gold.forEach((path, row) => {
    const own = probabilities.subarray(row * paths, (row + 1) * paths)
    const most = own.reduce((best, value) => Math.max(best, value), -Infinity)
    if (own[path] === most) right++
  })
  return right / Math.max(gold.length, 1)
}
