// Training of a lexical model from examples: at once a fit on all rows, which is served, and one that never sees a part of
// them, which says how good that is; of little data several parts, each by a fit of its own. Calibration and thresholds
// come from the rows held out only, so they are honest about unseen rows.
import { fitTemperatures } from '../../core/calibration/temperature.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { concatenated } from '../concatenated.ts'
import { distributionsOf, judge } from '../judge.ts'
import { featuresFor, featuresPerRow, rowFeatures } from './batches.ts'
import { servingGraph } from './export.ts'
import { stepsOf } from './fit.ts'
import { fits } from './fits.ts'
import { calibrationOf, heldNearness, knownTitles } from './nearest.ts'
import { joinedSubset, splits } from './parts.ts'
import { effortFor, epochsFor } from './settings.ts'
import { answers, goldenBatch, servedAccuracy } from './served.ts'
import type { Certificate } from '../../core/calibration/certificate.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Compiled, GraphRuntime } from '../../ports/graph.ts'
import type { Manifest, ManifestCalibration } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { RowFeatures, Subset } from './batches.ts'
import type { Fitted } from './fit.ts'
import type { Part } from './parts.ts'
import type { LexicalSettings } from './settings.ts'

export type Progress =
  /** Of all fits together; `loss` is the mean of the running epoch of the one that is spoken of. */
  | { readonly kind: 'step'; readonly step: number; readonly steps: number; readonly loss: number }
  /** All fits that hold rows out have ended an epoch: their mean loss, and accuracy per level on rows held out. */
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
  /** What serving does to an answer's probabilities after the graph; undefined: nothing. */
  readonly calibration: ManifestCalibration | undefined
  /** The files that it takes: nearest.bin, see `TitleIndex`, or none. */
  readonly parts: Readonly<Record<string, Uint8Array>>
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
  const features = rowFeatures(data.examples, featuresFor(data.examples, given.features, given.bucketsMax))
  const effort = effortFor(featuresPerRow(features), tree, given)
  const settings = { ...given, features: features.settings, effort }
  const parts = splits(data, settings)
  const all = joinedSubset(parts[0]!)
  const index = knownTitles(data, features, all, tree, settings)
  const { epochs, folds, whole, stop } = await fitAll({ features, parts, all, tree, seed, settings }, tools)
  try {
    const logits = together(folds.map((fold) => fold.logits))
    const temperatures = fitTemperatures(logits, tree).map((own) => own / settings.power)
    const nearnessOf = index && heldNearness(data, parts, tree)
    const distributions = distributionsOf(logits, tree, temperatures)
    const judged = judge(distributions, tree, settings.precision, settings.power, nearnessOf)
    const even = tree.nodes.map(() => 1)
    const plain = judge(distributionsOf(logits, tree, even), tree, settings.precision)
    const served = ({ weights, vocabulary }: Fitted) =>
      tools.runtime.serialise(servingGraph({ weights, vocabulary, tree, temperatures }))
    const probabilities: Float32Array[] = []
    for (const [part, fold] of folds.entries()) {
      const texts = Array.from(parts[part]!.held.rows, (row) => data.examples[row]!.texts)
      probabilities.push(
        await withCompiled(tools.runtime, served(fold), (graph) => answers(graph, texts, settings.features)),
      )
    }
    const model = served(await whole)
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
      ...calibrationOf(judged, index),
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
  } finally {
    await stop()
  }
}

interface Fits {
  readonly features: RowFeatures
  readonly parts: readonly Part[]
  /** All rows. */
  readonly all: Subset
  readonly tree: Tree
  readonly seed: number
  readonly settings: LexicalSettings
}

interface AllFits {
  readonly epochs: number
  /** One a part. */
  readonly folds: readonly Fitted[]
  /** Of all rows: it may still run. */
  readonly whole: Promise<Fitted>
  /** Ends what still runs. */
  readonly stop: () => Promise<void>
}

/**
 * The fits of all parts and of all rows, at once. Where the rows held out were better answered after an earlier epoch,
 * all are fitted again, for so many epochs.
 */
async function fitAll(of: Fits, tools: TrainTools): Promise<AllFits> {
  const planned = epochsFor(of.parts[0]!.kept.rows.length, of.settings)
  const { best, ...first } = await fitFor(planned, of, tools, of.settings.patience)
  if (best === planned) return { epochs: planned, ...first }
  await first.stop()
  tools.report({ kind: 'again', epochs: best })
  return { epochs: best, ...(await fitFor(best, of, tools, planned)) }
}

/** So many epochs of all fits, or fewer where `patience` epochs after the best one were worse: then `best` is fewer. */
async function fitFor(
  epochs: number,
  { parts, all, features, tree, seed, settings }: Fits,
  tools: TrainTools,
  patience: number,
): Promise<Omit<AllFits, 'epochs'> & { readonly best: number }> {
  const inputs = [
    ...parts.map(({ kept, held }) => ({ kept, held, judgedFrom: trustedFrom(epochs) })),
    { kept: all, held: { rows: new Int32Array(), gold: new Int32Array() } },
  ].map((rows) => ({ ...rows, features, tree, epochs, seed, settings }))
  const steps = inputs.map(({ kept }) => stepsOf(kept.rows.length, epochs))
  const total = steps.reduce((sum, own) => sum + own, 0)
  const done = steps.map(() => 0)
  const seen = Array.from({ length: epochs }, () => ({
    losses: parts.map(() => NaN),
    rows: 0,
    right: tree.nodes.map(() => 0),
  }))
  const curve: number[] = []
  let best = epochs
  let stopped = false
  const stopping = new AbortController()
  const folds: Fitted[] = []
  const { promise: foldsEnded, resolve: endFolds } = Promise.withResolvers<void>()
  const running = fits(inputs, {
    ...tools,
    signal: AbortSignal.any([tools.signal, stopping.signal]),
    onStep: (index, step, loss) => {
      done[index] = step
      tools.report({ kind: 'step', step: done.reduce((sum, own) => sum + own, 0), steps: total, loss })
    },
    onEpoch: (index, epoch, loss, judged) => {
      // Fits go on a little after they were told to stop, some further than others: what they say then does not count.
      if (judged === undefined || stopped) return !stopped
      const sums = seen[epoch - 1]!
      sums.losses[index] = loss
      sums.rows += judged.rows
      judged.right.forEach((count, level) => (sums.right[level]! += count))
      const mean = sums.losses.reduce((sum, own) => sum + own, 0) / sums.losses.length
      if (Number.isNaN(mean)) return true
      const accuracy = sums.right.map((count) => count / sums.rows)
      curve.push(accuracy.at(-1)!)
      best = bestEpoch(curve, epochs, sums.rows)
      tools.report({ kind: 'epoch', epoch, epochs, loss: mean, accuracy })
      stopped = epoch - best >= patience
      return !stopped
    },
    onEnd: (index, fitted) => {
      if (index < parts.length) folds[index] = fitted
      if (Object.keys(folds).length === parts.length) endFolds()
    },
  })
  const whole = running.then((ended) => ended!.at(-1)!)
  whole.catch(() => {}) // its failure is thrown where it is awaited
  await Promise.race([foldsEnded, running])
  const stop = async () => {
    stopping.abort()
    await whole.catch(() => {})
  }
  return { folds, whole, stop, best }
}

/** The first epoch whose accuracy means anything: before it the rate is too high. */
const trustedFrom = (epochs: number): number => Math.ceil(0.6 * epochs)

/**
 * The last epoch of a curve of accuracies, or an earlier one that was better by more than a standard error of so many
 * rows (the rule of Breiman et al., Classification and Regression Trees, 1984, section 3.4.3), of `epochs` in all.
 */
export function bestEpoch(curve: readonly number[], epochs: number, rows: number): number {
  const last = curve.at(-1)!
  let best = curve.length
  for (let epoch = trustedFrom(epochs); epoch < curve.length; epoch++)
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

/** Rows of all parts, one after the other. */
function together(parts: readonly LevelLogits[]): LevelLogits {
  const logits = parts[0]!.logits.map((_, level) => concatenated(parts.map((part) => part.logits[level]!)))
  const gold = Int32Array.from(parts.flatMap((part) => [...part.gold]))
  return { rows: gold.length, logits, gold }
}
