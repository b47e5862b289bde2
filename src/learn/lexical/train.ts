// Training of a lexical model from examples: at once a fit on all rows, which is served, and one that never sees a part of
// them, which says how good that is; of little data several parts, each by a fit of its own. Calibration and thresholds
// come from the rows held out only, so they are honest about unseen rows.
import { fitTemperatures } from '../../core/calibration/temperature.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { SluiceError } from '../../core/error.ts'
import { hash32 } from '../../core/random.ts'
import { concatenated } from '../concatenated.ts'
import { distributionsOf, judge } from '../judge.ts'
import { featuresFor, rowFeatures } from './batches.ts'
import { servingGraph } from './export.ts'
import { stepsOf } from './fit.ts'
import { fits } from './fits.ts'
import { epochsFor, heldShare } from './settings.ts'
import { answers, goldenBatch, servedAccuracy } from './served.ts'
import type { Certificate } from '../../core/calibration/certificate.ts'
import type { Isotonic } from '../../core/calibration/isotonic.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Compiled, GraphRuntime } from '../../ports/graph.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { RowFeatures, Subset } from './batches.ts'
import type { Fitted } from './fit.ts'
import type { LexicalSettings } from './settings.ts'

export type Progress =
  /** Of all fits together; `loss` is the mean of the running epoch of the one that is spoken of. */
  | { readonly kind: 'step'; readonly step: number; readonly steps: number; readonly loss: number }
  /** All fits that hold rows out have ended an epoch: their mean loss, and accuracy per level on the rows held out. */
  | {
      readonly kind: 'epoch'
      readonly epoch: number
      readonly epochs: number
      readonly loss: number
      readonly accuracy: readonly number[]
    }
  /** An earlier epoch was better: all are fitted again, for so many. */
  | { readonly kind: 'again'; readonly epochs: number }

export interface TrainTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  readonly report: (progress: Progress) => void
}

/** What the validated fits showed, on rows they never saw. */
interface Validation extends Pick<Judgement, 'rows' | 'accuracy' | 'ece' | 'coverage' | 'selectiveAccuracy'> {
  /** Without temperatures. */
  readonly eceBefore: number
  /** Per level, as served with eight bits; `accuracy` is in full precision. */
  readonly servedAccuracy: readonly number[]
}

export interface TrainedLexical {
  /** The ONNX file. */
  readonly model: Uint8Array
  /** How texts become its inputs. */
  readonly features: FeatureSettings
  readonly golden: Manifest['golden']
  readonly temperatures: readonly number[]
  readonly thresholds: readonly number[]
  /** What the thresholds promise, where the validation rows certify it; said for people in `promise`. */
  readonly certificate: Certificate | undefined
  readonly promise: string
  /** Per level, what serving does to an answer's probabilities after the graph; undefined: nothing. */
  readonly isotonic: readonly Isotonic[] | undefined
  readonly epochs: number
  readonly trainingRows: number
  readonly validation: Validation
  /** What the fit of each part, as served, says of the rows that part holds out: [held rows × paths], see `split`. */
  readonly heldProbabilities: readonly Float32Array[]
}

export async function trainLexical(
  data: Examples,
  given: LexicalSettings,
  seed: number,
  tools: TrainTools,
): Promise<TrainedLexical> {
  const tree = treeOf(data.labels)
  const settings = { ...given, features: featuresFor(data.examples, given.features, given.bucketsMax) }
  const features = rowFeatures(data.examples, settings.features)
  const parts = splits(data, settings)
  const { epochs, folds, whole } = await fitAll({ features, parts, tree, seed, settings }, tools)
  const logits = together(folds.map((fold) => fold.logits))
  const temperatures = fitTemperatures(logits, tree).map((own) => own / settings.power)
  const judged = judge(distributionsOf(logits, tree, temperatures), tree, settings.precision, settings.power)
  const even = tree.nodes.map(() => 1)
  const plain = judge(distributionsOf(logits, tree, even), tree, settings.precision)
  const served = ({ weights, vocabulary }: Fitted) =>
    tools.runtime.serialise(servingGraph({ weights, vocabulary, tree, temperatures }))
  const probabilities: Float32Array[] = []
  for (const [index, fold] of folds.entries()) {
    const texts = Array.from(parts[index]!.held.rows, (row) => data.examples[row]!.texts)
    probabilities.push(
      await withCompiled(tools.runtime, served(fold), (graph) => answers(graph, texts, settings.features)),
    )
  }
  const model = served(whole)
  const golden = await withCompiled(tools.runtime, model, (graph) =>
    goldenBatch(graph, data.labels, data.segments.length, settings.features),
  )
  return {
    model,
    features: settings.features,
    golden,
    temperatures,
    thresholds: judged.thresholds,
    certificate: judged.certificate,
    promise: judged.promise,
    isotonic: judged.isotonic,
    epochs,
    trainingRows: data.examples.length,
    validation: {
      rows: judged.rows,
      accuracy: judged.accuracy,
      ece: judged.ece,
      eceBefore: plain.ece,
      coverage: judged.coverage,
      selectiveAccuracy: judged.selectiveAccuracy,
      servedAccuracy: servedAccuracy(probabilities, logits.gold, tree),
    },
    heldProbabilities: probabilities,
  }
}

interface Fits {
  readonly features: RowFeatures
  readonly parts: readonly Part[]
  readonly tree: Tree
  readonly seed: number
  readonly settings: LexicalSettings
}

interface AllFits {
  readonly epochs: number
  /** One a part. */
  readonly folds: readonly Fitted[]
  /** Of all rows. */
  readonly whole: Fitted
}

/**
 * The fits of all parts and of all rows, at once. Where the rows held out were better answered after an earlier epoch,
 * all are fitted again, for so many epochs.
 */
async function fitAll(of: Fits, tools: TrainTools): Promise<AllFits> {
  const planned = epochsFor(of.parts[0]!.kept.rows.length, of.settings)
  const first = await fitFor(planned, of, tools, of.settings.patience)
  const epochs = first.best
  if (epochs < planned) tools.report({ kind: 'again', epochs })
  const { ended } = epochs === planned ? first : await fitFor(epochs, of, tools, planned)
  return { epochs, folds: ended!.slice(0, -1), whole: ended!.at(-1)! }
}

/** So many epochs of all fits, or fewer where `patience` epochs after the best one were worse: then nothing `ended`. */
async function fitFor(
  epochs: number,
  { parts, features, tree, seed, settings }: Fits,
  tools: TrainTools,
  patience: number,
) {
  const all = joinedSubset(parts[0]!)
  const inputs = [
    ...parts.map(({ kept, held }) => ({ kept, held, watched: true })),
    { kept: all, held: { rows: new Int32Array(), gold: new Int32Array() }, watched: false },
  ].map((rows) => ({ ...rows, features, tree, epochs, seed, settings }))
  const steps = inputs.map(({ kept }) => stepsOf(kept.rows.length, epochs))
  const total = steps.reduce((sum, own) => sum + own, 0)
  const done = steps.map(() => 0)
  const heldRows = parts.reduce((sum, { held }) => sum + held.rows.length, 0)
  const seen = Array.from({ length: epochs }, () => ({ losses: parts.map(() => NaN), right: tree.nodes.map(() => 0) }))
  const curve: number[] = []
  let best = epochs
  let stopped = false
  const ended = await fits(inputs, {
    ...tools,
    onStep: (index, step, loss) => {
      done[index] = step
      tools.report({ kind: 'step', step: done.reduce((sum, own) => sum + own, 0), steps: total, loss })
    },
    onEpoch: (index, epoch, loss, right) => {
      // Fits go on a little after they were told to stop, some further than others: what they say then does not count.
      if (right === undefined || stopped) return !stopped
      const { losses, right: all } = seen[epoch - 1]!
      losses[index] = loss
      right.forEach((count, level) => (all[level]! += count))
      const mean = losses.reduce((sum, own) => sum + own, 0) / losses.length
      if (Number.isNaN(mean)) return true
      const accuracy = all.map((count) => count / heldRows)
      curve.push(accuracy.at(-1)!)
      best = bestEpoch(curve, epochs, heldRows)
      tools.report({ kind: 'epoch', epoch, epochs, loss: mean, accuracy })
      stopped = epoch - best >= patience
      return !stopped
    },
  })
  return { ended, best }
}

/** Before this share of the epochs the rate is too high for an epoch's accuracy to mean much. */
const EPOCHS_TRUSTED = 0.6

/**
 * The last epoch of a curve of accuracies, or an earlier one that was better by more than a standard error of so many
 * rows (the rule of Breiman et al., Classification and Regression Trees, 1984, section 3.4.3), of `epochs` in all.
 */
export function bestEpoch(curve: readonly number[], epochs: number, rows: number): number {
  const last = curve.at(-1)!
  let best = curve.length
  for (let epoch = Math.ceil(epochs * EPOCHS_TRUSTED); epoch < curve.length; epoch++)
    if (curve[epoch - 1]! > curve[best - 1]!) best = epoch
  const error = Math.sqrt((last * (1 - last)) / rows)
  return curve[best - 1]! - last > error ? best : curve.length
}

async function withCompiled<T>(
  runtime: GraphRuntime,
  model: Uint8Array,
  use: (graph: Compiled) => Promise<T>,
): Promise<T> {
  const graph = await runtime.compile(model, { threads: 1 })
  try {
    return await use(graph)
  } finally {
    await graph.close()
  }
}

interface Part {
  readonly kept: Subset
  readonly held: Subset
}

/**
 * Rows go by a hash of their first text, so that equal titles never stand on both sides: held are those with the hash
 * in part `fold` of [0, 1), each `share` long.
 */
export function split(data: Examples, share: number, fold = 0): Part {
  const indices = pathIndex(data.labels)
  const isHeld = data.examples.map(({ texts }) => Math.floor(hash32(texts[0]!) / 2 ** 32 / share) === fold)
  const side = (wanted: boolean): Subset => {
    const rows = Int32Array.from(isHeld.keys().filter((row) => isHeld[row] === wanted))
    return { rows, gold: rows.map((row) => indices.get(pathKey(data.examples[row]!.label))!) }
  }
  return { kept: side(false), held: side(true) }
}

/** As many parts as it takes to hold out enough rows. Throws SL502 where the first is empty or all there is. */
function splits(data: Examples, settings: LexicalSettings): Part[] {
  const { validationRows, foldsMax } = settings
  const share = heldShare(data.examples.length, settings)
  const wanted = Math.ceil(validationRows / (share * data.examples.length))
  const count = Math.max(1, Math.min(foldsMax, wanted))
  const parts = Array.from({ length: count }, (_, fold) => split(data, share, fold))
  const [first, ...more] = parts.filter(({ kept, held }) => kept.rows.length > 0 && held.rows.length > 0)
  if (first === undefined || first !== parts[0])
    throw new SluiceError('SL502', `${data.examples.length} rows are too few to keep some for validation`)
  return [first, ...more]
}

/** All rows, those held out last. */
function joinedSubset({ kept, held }: Part): Subset {
  return { rows: joined([kept.rows, held.rows]), gold: joined([kept.gold, held.gold]) }
}

/** Rows of all parts, one after the other. */
function together(parts: readonly LevelLogits[]): LevelLogits {
  const logits = parts[0]!.logits.map((_, level) => concatenated(parts.map((part) => part.logits[level]!)))
  const gold = joined(parts.map((part) => part.gold))
  return { rows: gold.length, logits, gold }
}

const joined = (parts: readonly Int32Array[]): Int32Array => Int32Array.from(parts.flatMap((part) => [...part]))
