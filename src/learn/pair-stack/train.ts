// Training of a pair stack: a pair model on all rows, a transformer on those not held back; what each is worth, and when
// the pair model alone will do, is learned on the rows held back, of which neither saw a query. Decisions against the
// prior are by offsets a source, as the pair model's: it knows which source a pair looks like.
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { trainPairs } from '../pair/train.ts'
import { GIVEN_UP, POINTS, asked, cheapest, fitWeights, logs, mixed, steps } from '../stack/mix.ts'
import { pairTexts } from '../transformer/examples.ts'
import { judge } from '../transformer/judge.ts'
import { fineTune } from '../transformer/train.ts'
import { decisions } from './decisions.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { Judgements, Offsets } from '../pair/decisions.ts'
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
  /** Of each source of the pair model, as it alone has them where few rows are held back. */
  readonly offsets: Offsets
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
  const heldOf = (all: Float32Array, width: number): Float32Array => {
    const own = new Float32Array(held.length * width)
    held.forEach((row, at) => own.set(all.subarray(row * width, (row + 1) * width), at * width))
    return own
  }
  const cheap = heldOf(pair.outOfFold.probabilities, classes)
  const experts = [logs(cheap), logs(probabilities)]
  const [first, second] = fitWeights(experts, labels, classes)
  const weights = [first!, second!] as const
  const mix = mixed(experts, weights, classes)
  const tried = steps(cheap, mix, labels, classes, POINTS)
  const chosen = cheapest(tried, GIVEN_UP)
  const { parts, group, sources: count } = pair.outOfFold.said
  const said: Judgements = {
    parts: heldOf(parts, count * classes),
    group: Int32Array.from(held, (row) => group[row]!),
    sources: count,
  }
  const answers = asked(cheap, mix, classes, chosen.ask)
  const { offsets, factors } = decisions(
    { scores: logs(answers), labels, sources, classes },
    said,
    pair.offsets,
    halves,
  )
  const judged = (probabilities: Float32Array, weighed?: Float32Array) =>
    judge({ probabilities, labels, sources, halves, factors: weighed }, tree, {
      precision: PRECISION,
      adjusted: false,
      sources: data.sources.length,
    })
  return {
    pair,
    transformer,
    graph: transformer.joined(weights),
    weights,
    steps: tried,
    chosen,
    offsets,
    alone: { pair: judged(cheap), transformer: judged(probabilities) },
    served: judged(answers, factors),
  }
}
