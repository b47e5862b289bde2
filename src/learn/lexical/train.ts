// Training of a lexical model from examples: a validated fit that says how good it is and how long to train, then a
// fit on all rows. Little data is validated on several parts in turn, each by a fit that never saw it. Calibration and
// thresholds come from the validated fits only, so they are honest about unseen rows.
import { fitTemperatures } from '../../core/calibration/temperature.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { SluiceError } from '../../core/error.ts'
import { hash32 } from '../../core/random.ts'
import { distributionsOf, judge } from '../judge.ts'
import { featuresFor, vocabulary as vocabularyOf } from './batches.ts'
import { servingGraph } from './export.ts'
import { fit } from './fit.ts'
import { epochsFor, heldShare } from './settings.ts'
import { goldenBatch, served, servedAccuracy } from './served.ts'
import { levelLogits, pathAccuracy } from './validate.ts'
import type { Certificate } from '../../core/calibration/certificate.ts'
import type { Isotonic } from '../../core/calibration/isotonic.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Compiled, GraphRuntime } from '../../ports/graph.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { Vocabulary } from './batches.ts'
import type { Weights } from './fit.ts'
import type { LexicalSettings } from './settings.ts'
import type { Held } from './validate.ts'

/** A fit on what is not held out, first or again for another part of the rows; then the fit that is served. */
export type Phase = 'validated' | 'another part' | 'all rows'

export type Progress =
  | {
      readonly kind: 'step'
      readonly phase: Phase
      readonly step: number
      readonly steps: number
      readonly loss: number
    }
  | {
      readonly kind: 'epoch'
      readonly phase: Phase
      readonly epoch: number
      readonly epochs: number
      readonly loss: number
      /** Validation accuracy per level; absent while fitting all rows. */
      readonly accuracy?: readonly number[]
    }

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
  const features = featuresFor(data.examples, given.features, given.bucketsMax)
  const settings = { ...given, features }
  const parts = splits(data, settings)
  const { kept, held } = parts[0]!
  const first = await fitValidated(parts[0]!, tree, seed, settings, tools)
  const folds = [first]
  for (const part of parts.slice(1)) folds.push(await fitFold(part, tree, first.epochs, seed, settings, tools))
  const logits = together(folds.map((fold) => fold.logits))
  const temperatures = fitTemperatures(logits, tree).map((own) => own / settings.power)
  const judged = judge(distributionsOf(logits, tree, temperatures), tree, settings.precision, settings.power)
  const even = tree.nodes.map(() => 1)
  const plain = judge(distributionsOf(logits, tree, even), tree, settings.precision)
  const probabilities: Float32Array[] = []
  for (const [index, { weights, vocabulary }] of folds.entries()) {
    const model = tools.runtime.serialise(servingGraph({ weights, vocabulary, tree, temperatures }))
    const texts = parts[index]!.held.examples.map((example) => example.texts)
    probabilities.push(await withCompiled(tools.runtime, model, (graph) => served(graph, texts, features)))
  }
  const all = { examples: [...kept.examples, ...held.examples], gold: joined([kept.gold, held.gold]) }
  const vocabulary = vocabularyOf(all.examples, features, settings.idfPower)
  const weights = await fit(
    { ...all, tree, vocabulary, epochs: first.epochs, seed, settings },
    {
      ...tools,
      onStep: (step, steps, loss) => tools.report({ kind: 'step', phase: 'all rows', step, steps, loss }),
      after: (epoch, _, loss) => {
        tools.report({ kind: 'epoch', phase: 'all rows', epoch, epochs: first.epochs, loss })
        return true
      },
    },
  )
  const model = tools.runtime.serialise(servingGraph({ weights, vocabulary, tree, temperatures }))
  const golden = await withCompiled(tools.runtime, model, (graph) =>
    goldenBatch(graph, data.labels, data.segments.length, features),
  )
  return {
    model,
    features,
    golden,
    temperatures,
    thresholds: judged.thresholds,
    certificate: judged.certificate,
    promise: judged.promise,
    isotonic: judged.isotonic,
    epochs: first.epochs,
    trainingRows: all.examples.length,
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
  readonly kept: Held
  readonly held: Held
}

/**
 * Rows go by a hash of their first text, so that equal titles never stand on both sides: held are those with the hash
 * in part `fold` of [0, 1), each `share` long.
 */
export function split(data: Examples, share: number, fold = 0): Part {
  const indices = pathIndex(data.labels)
  const side = (wanted: boolean): Held => {
    const isHeld = (text: string) => Math.floor(hash32(text) / 2 ** 32 / share) === fold
    const examples = data.examples.filter(({ texts }) => isHeld(texts[0]!) === wanted)
    return { examples, gold: Int32Array.from(examples, ({ label }) => indices.get(pathKey(label))!) }
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
  const [first, ...more] = parts.filter(({ kept, held }) => kept.examples.length > 0 && held.examples.length > 0)
  if (first === undefined || first !== parts[0])
    throw new SluiceError('SL502', `${data.examples.length} rows are too few to keep some for validation`)
  return [first, ...more]
}

interface Validated {
  readonly logits: LevelLogits
  readonly weights: Weights
  readonly vocabulary: Vocabulary
  readonly epochs: number
}

/** Before this share of the epochs the rate is too high for an epoch's accuracy to mean much. */
const EPOCHS_TRUSTED = 0.6

async function fitValidated(
  { kept, held }: Part,
  tree: Tree,
  seed: number,
  settings: LexicalSettings,
  tools: TrainTools,
): Promise<Validated> {
  const vocabulary = vocabularyOf(kept.examples, settings.features, settings.idfPower)
  const even = tree.nodes.map(() => 1)
  const epochs = epochsFor(kept.examples.length, settings)
  let best: (Validated & { readonly accuracy: number }) | undefined
  await fit(
    { ...kept, tree, vocabulary, epochs, seed, settings },
    {
      ...tools,
      onStep: (step, steps, loss) => tools.report({ kind: 'step', phase: 'validated', step, steps, loss }),
      after: (epoch: number, weights: Weights, loss: number) => {
        const logits = levelLogits(held, weights, tree, vocabulary, settings)
        const accuracy = pathAccuracy(logits, tree, even)
        tools.report({ kind: 'epoch', phase: 'validated', epoch, epochs, loss, accuracy })
        if (epoch < epochs * EPOCHS_TRUSTED) return true
        if (best === undefined || accuracy.at(-1)! >= best.accuracy)
          best = { logits, vocabulary, weights: copied(weights), epochs: epoch, accuracy: accuracy.at(-1)! }
        return epoch - best.epochs < Math.max(settings.patience, epochs / 4)
      },
    },
  )
  return best!
}

/** A fit of another part, for as many epochs as the first took. */
async function fitFold(
  { kept, held }: Part,
  tree: Tree,
  epochs: number,
  seed: number,
  settings: LexicalSettings,
  tools: TrainTools,
): Promise<Validated> {
  const vocabulary = vocabularyOf(kept.examples, settings.features, settings.idfPower)
  const weights = await fit(
    { ...kept, tree, vocabulary, epochs, seed, settings },
    {
      ...tools,
      onStep: (step, steps, loss) => tools.report({ kind: 'step', phase: 'another part', step, steps, loss }),
      after: (epoch, _, loss) => {
        tools.report({ kind: 'epoch', phase: 'another part', epoch, epochs, loss })
        return true
      },
    },
  )
  return { logits: levelLogits(held, weights, tree, vocabulary, settings), weights, vocabulary, epochs }
}

/** Training goes on in the same memory. */
function copied({ columns, tables, heads, biases }: Weights): Weights {
  return { columns, tables: tables.map((table) => Float32Array.from(table)), heads, biases: biases.slice() }
}

/** Rows of all parts, one after the other. */
function together(parts: readonly LevelLogits[]): LevelLogits {
  const logits = parts[0]!.logits.map((_, level) => {
    const all = new Float32Array(parts.reduce((sum, part) => sum + part.logits[level]!.length, 0))
    let at = 0
    for (const part of parts) {
      all.set(part.logits[level]!, at)
      at += part.logits[level]!.length
    }
    return all
  })
  const gold = joined(parts.map((part) => part.gold))
  return { rows: gold.length, logits, gold }
}

const joined = (parts: readonly Int32Array[]): Int32Array => Int32Array.from(parts.flatMap((part) => [...part]))
