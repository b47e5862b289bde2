// Training of a lexical model from examples: a validated fit that says how good it is and how long to train, then a
// fit on all rows. Calibration and thresholds come from the validated fit only, so they are honest about unseen rows.
import { fitTemperatures, jointRow } from '../../core/calibration.ts'
import { proposeThresholds } from '../../core/calibration/propose.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { decode, decoded } from '../../core/lexical/decode.ts'
import { calibrationError } from '../../core/metrics.ts'
import { SluiceError } from '../../core/error.ts'
import { hash32 } from '../../core/random.ts'
import { inverseFrequencies } from './batches.ts'
import { servingGraph } from './export.ts'
import { fit } from './fit.ts'
import { epochsFor } from './settings.ts'
import { goldenBatch, served, servedAccuracy } from './served.ts'
import { levelLogits, pathAccuracy } from './validate.ts'
import type { Certificate } from '../../core/calibration/certificate.ts'
import type { Proposal } from '../../core/calibration/propose.ts'
import type { LevelLogits } from '../../core/calibration.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Compiled, GraphRuntime } from '../../ports/graph.ts'
import type { Manifest } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { Weights } from './fit.ts'
import type { LexicalSettings } from './settings.ts'
import type { Held } from './validate.ts'

export type Phase = 'validated' | 'all rows'

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

/** What the validated fit showed, on rows it never saw. */
export interface Validation {
  readonly rows: number
  /** Per level, in full precision and as served with eight bits. */
  readonly accuracy: readonly number[]
  readonly servedAccuracy: readonly number[]
  readonly ece: number
  readonly eceBefore: number
  readonly coverage: number
  readonly selectiveAccuracy: number
}

export interface TrainedLexical {
  /** The ONNX file. */
  readonly model: Uint8Array
  readonly golden: Manifest['golden']
  readonly temperatures: readonly number[]
  readonly thresholds: readonly number[]
  /** What the thresholds promise, where the validation rows certify it; said for people in `promise`. */
  readonly certificate: Certificate | undefined
  readonly promise: string
  readonly epochs: number
  readonly trainingRows: number
  readonly validation: Validation
  /** What the validated fit, as served, says of the rows held out: [held rows × paths], see `split`. */
  readonly heldProbabilities: Float32Array
}

export async function trainLexical(
  data: Examples,
  settings: LexicalSettings,
  seed: number,
  tools: TrainTools,
): Promise<TrainedLexical> {
  const tree = treeOf(data.labels)
  const { kept, held } = split(data, settings.validationShare)
  if (held.examples.length === 0 || kept.examples.length === 0)
    throw new SluiceError('SL502', `${data.examples.length} rows are too few to keep some for validation`)
  const epochs = epochsFor(kept.examples.length, settings)
  const first = await fitValidated(kept, held, tree, epochs, seed, settings, tools)
  const temperatures = fitTemperatures(first.logits, tree)
  const { proposal, validation } = judge(first.logits, tree, temperatures, settings.precision)
  const { features } = settings
  const asServed = tools.runtime.serialise(servingGraph({ weights: first.weights, idf: first.idf, tree, temperatures }))
  const probabilities = await withCompiled(tools.runtime, asServed, (graph) =>
    served(
      graph,
      held.examples.map(({ texts }) => texts),
      features,
    ),
  )
  const all = { examples: [...kept.examples, ...held.examples], gold: joined(kept.gold, held.gold) }
  const idf = inverseFrequencies(all.examples, settings.features, settings.idfPower)
  const weights = await fit(
    { ...all, tree, idf, epochs: first.epochs, seed, settings },
    {
      ...tools,
      onStep: (step, steps, loss) => tools.report({ kind: 'step', phase: 'all rows', step, steps, loss }),
      after: (epoch, _, loss) => {
        tools.report({ kind: 'epoch', phase: 'all rows', epoch, epochs: first.epochs, loss })
        return true
      },
    },
  )
  const model = tools.runtime.serialise(servingGraph({ weights, idf, tree, temperatures }))
  const golden = await withCompiled(tools.runtime, model, (graph) =>
    goldenBatch(graph, data.labels, data.segments.length, features),
  )
  return {
    model,
    golden,
    temperatures,
    thresholds: proposal.thresholds,
    certificate: proposal.certificate,
    promise: proposal.said,
    epochs: first.epochs,
    trainingRows: all.examples.length,
    validation: { ...validation, servedAccuracy: servedAccuracy(probabilities, held, tree) },
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

/** Rows go by a hash of their first text, so that equal titles never stand on both sides. */
export function split(data: Examples, share: number): { readonly kept: Held; readonly held: Held } {
  const indices = pathIndex(data.labels)
  const side = (wanted: boolean): Held => {
    const examples = data.examples.filter(({ texts }) => hash32(texts[0]!) / 2 ** 32 < share === wanted)
    return { examples, gold: Int32Array.from(examples, ({ label }) => indices.get(pathKey(label))!) }
  }
  return { kept: side(false), held: side(true) }
}

interface Validated {
  readonly logits: LevelLogits
  readonly weights: Weights
  readonly idf: Float32Array
  readonly epochs: number
}

/** Before this share of the epochs the rate is too high for an epoch's accuracy to mean much. */
const EPOCHS_TRUSTED = 0.6

async function fitValidated(
  kept: Held,
  held: Held,
  tree: Tree,
  epochs: number,
  seed: number,
  settings: LexicalSettings,
  tools: TrainTools,
): Promise<Validated> {
  const idf = inverseFrequencies(kept.examples, settings.features, settings.idfPower)
  const even = tree.nodes.map(() => 1)
  let best: (Validated & { readonly accuracy: number }) | undefined
  await fit(
    { ...kept, tree, idf, epochs, seed, settings },
    {
      ...tools,
      onStep: (step, steps, loss) => tools.report({ kind: 'step', phase: 'validated', step, steps, loss }),
      after: (epoch: number, weights: Weights, loss: number) => {
        const logits = levelLogits(held, weights, tree, idf, settings)
        const accuracy = pathAccuracy(logits, tree, even)
        tools.report({ kind: 'epoch', phase: 'validated', epoch, epochs, loss, accuracy })
        if (epoch < epochs * EPOCHS_TRUSTED) return true
        if (best === undefined || accuracy.at(-1)! >= best.accuracy)
          best = { logits, idf, weights: copied(weights), epochs: epoch, accuracy: accuracy.at(-1)! }
        return epoch - best.epochs < Math.max(settings.patience, epochs / 4)
      },
    },
  )
  return best!
}

/** Training goes on in the same memory. */
function copied({ columns, tables, heads, biases }: Weights): Weights {
  return { columns, tables: tables.map((table) => Float32Array.from(table)), heads, biases: biases.slice() }
}

/** Thresholds per level, and how good the calibrated model is on the validation rows. */
function judge(
  data: LevelLogits,
  tree: Tree,
  temperatures: readonly number[],
  precision: number,
): { readonly proposal: Proposal; readonly validation: Omit<Validation, 'servedAccuracy'> } {
  const scored = score(data, tree, temperatures)
  const plain = score(
    data,
    tree,
    temperatures.map(() => 1),
  )
  const deepest = tree.levels - 1
  const proposal = proposeThresholds(scored, precision)
  let covered = 0
  let right = 0
  for (let row = 0; row < data.rows; row++) {
    if (!scored.every(({ probabilities }, level) => probabilities[row]! >= proposal.thresholds[level]!)) continue
    covered++
    right += scored[deepest]!.hits[row]!
  }
  const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
  const validation = {
    rows: data.rows,
    accuracy: scored.map(({ hits }) => mean(hits)),
    ece: calibrationError(scored[deepest]!.probabilities, scored[deepest]!.hits),
    eceBefore: calibrationError(plain[deepest]!.probabilities, plain[deepest]!.hits),
    coverage: covered / Math.max(data.rows, 1),
    selectiveAccuracy: covered === 0 ? 0 : right / covered,
  }
  return { proposal, validation }
}

interface Scored {
  readonly probabilities: Float32Array
  readonly hits: Uint8Array
}

/** Per level: probability of the answered node, and whether the path is right down to it. */
function score(data: LevelLogits, tree: Tree, temperatures: readonly number[]): Scored[] {
  const joint = new Float64Array(tree.paths)
  const row = new Float32Array(tree.paths)
  const out = decoded(1, tree, 1)
  const scored = tree.nodes.map(() => ({
    probabilities: new Float32Array(data.rows),
    hits: new Uint8Array(data.rows),
  }))
  for (let at = 0; at < data.rows; at++) {
    jointRow(data, at, tree, temperatures, joint)
    row.set(joint)
    decode(row, 0, tree, 1, out, 0)
    scored.forEach(({ probabilities, hits }, level) => {
      const nodes = tree.nodeOf[level]!
      probabilities[at] = out.levels[level]!
      hits[at] = nodes[out.best[0]!] === nodes[data.gold[at]!] ? 1 : 0
    })
  }
  return scored
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
