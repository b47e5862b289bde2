// Training of a pair stack: a pair model on all rows, a transformer on those not held back; what each is worth, and when
// the pair model alone will do, is learned on the rows held back, of which neither saw a query. Decisions against the
// prior are the pair model's: it knows which source a pair looks like.
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { trainPairs } from '../pair/train.ts'
import { GIVEN_UP, POINTS, asked, cheapest, fitWeights, logs, mixed, steps } from '../stack/mix.ts'
import { pairTexts } from '../transformer/examples.ts'
import { judge } from '../transformer/judge.ts'
import { fineTune } from '../transformer/train.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { PairExamples } from '../pair/examples.ts'
import type { Progress } from '../pair/fit.ts'
import type { PairTraining } from '../pair/train.ts'
import type { Step } from '../stack/mix.ts'
import type { Tokens } from '../transformer/batches.ts'
import type { FitTools } from '../transformer/fit.ts'
import type { Judged } from '../transformer/judge.ts'
import type { FineTuned, FineTuning } from '../transformer/train.ts'

export interface PairStackTraining {
  readonly pair: PairTraining
  readonly transformer: FineTuned
  /** Tokens and `said`, the pair model's probabilities, in; probabilities out. */
  readonly graph: GraphSpec
  /** Of the pair model and of the transformer. */
  readonly weights: readonly [number, number]
  readonly steps: readonly Step[]
  readonly chosen: Step
  /** On the rows held back: each expert alone, and the stack as it is served. */
  readonly alone: { readonly pair: Judged; readonly transformer: Judged }
  readonly served: Judged
}

export interface PairStackTools extends FitTools {
  readonly pairProgress: Progress
}

/** Share of answers at the proposed threshold that are right, where that can be had. */
const PRECISION = 0.85

/** Throws like trainPairs and fineTune. */
export async function trainPairStack(
  data: PairExamples,
  encoder: GraphSpec,
  tokenize: (first: string, second?: string) => Tokens,
  tuning: FineTuning,
  tools: PairStackTools,
): Promise<PairStackTraining> {
  const tree = treeOf(data.labels)
  const classes = tree.paths
  const pair = await trainPairs(data.rows, classes, tuning.seed, tools.pairProgress)
  const transformer = await fineTune(encoder, pairTexts(data), tokenize, tuning, tools)
  const { probabilities, labels } = transformer
  const { held, sources, halves } = transformer.split
  const heldOf = (all: Float32Array): Float32Array => {
    const own = new Float32Array(held.length * classes)
    held.forEach((row, at) => own.set(all.subarray(row * classes, (row + 1) * classes), at * classes))
    return own
  }
  const cheap = heldOf(pair.outOfFold.probabilities)
  const factors = heldOf(pair.outOfFold.factors)
  const experts = [logs(cheap), logs(probabilities)]
  const [first, second] = fitWeights(experts, labels, classes)
  const weights = [first!, second!] as const
  const mix = mixed(experts, weights, classes)
  const all = steps(cheap, mix, labels, classes, POINTS)
  const chosen = cheapest(all, GIVEN_UP)
  const options = { precision: PRECISION, adjusted: false, sources: data.sources.length }
  const judged = (said: Float32Array) => judge({ probabilities: said, labels, sources, halves, factors }, tree, options)
  return {
    pair,
    transformer,
    graph: transformer.joined(weights),
    weights,
    steps: all,
    chosen,
    alone: { pair: judged(cheap), transformer: judged(probabilities) },
    served: judged(asked(cheap, mix, classes, chosen.ask)),
  }
}
