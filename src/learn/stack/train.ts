// Training of a stack: lexical model, head over vectors and memory of vectors are fitted on the rows kept; how much
// each is worth, and when the lexical model alone will do, is learned on the rows held out, which none of them saw.
// Then all are fitted again on all rows.
import { SluiceError } from '../../core/error.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { MLP } from '../encoder/settings.ts'
import { heldShare } from '../lexical/settings.ts'
import { joint, refitHead, sidesOf, validatedHeads } from '../encoder/train.ts'
import { headLogits, vectorsOf } from '../encoder/fit.ts'
import { distributions, judge } from '../judge.ts'
import { trainLexical } from '../lexical/train.ts'
import { concatenated } from '../concatenated.ts'
import { stackGraph } from './export.ts'
import { GIVEN_UP, POINTS, asked, cheapest, fitWeights, logs, mixed, steps } from './mix.ts'
import { NEIGHBOURS, neighboursGraph, remember, voteRow } from './neighbours.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { EncoderTools, Heads, Sides, ValidatedHead } from '../encoder/train.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { LexicalSettings } from '../lexical/settings.ts'
import type { TrainTools, TrainedLexical } from '../lexical/train.ts'
import type { Experts, Step } from './mix.ts'
import type { Memory, Vote } from './neighbours.ts'

const VOTES: readonly Vote[] = [0.02, 0.04, 0.08].flatMap((warmth) =>
  [0.001, 0.01, 0.1].map((doubt) => ({ warmth, doubt })),
)

export const EXPERTS = ['lexical', 'head', 'neighbours'] as const

export interface TrainedStack {
  /** The ONNX file: lexical probabilities and vectors → probabilities. */
  readonly model: Uint8Array
  readonly lexical: TrainedLexical
  readonly head: ValidatedHead
  readonly weights: readonly number[]
  readonly vote: Vote
  readonly steps: readonly Step[]
  readonly chosen: Step
  /** Each expert alone, the mixture asked always, and the stack as it is served. */
  readonly alone: readonly Judgement[]
  readonly always: Judgement
  readonly served: Judgement
}

export interface StackTools extends EncoderTools {
  readonly reportLexical: TrainTools['report']
}

/** `vectors` [examples × dims], in the order of the examples; `dims` is a multiple of 32. */
export async function trainStack(
  data: Examples,
  vectors: Float32Array,
  dims: number,
  seed: number,
  given: LexicalSettings,
  tools: StackTools,
): Promise<TrainedStack> {
  const { runtime, signal } = tools
  // Experts are weighed by what they believe: no distribution is sharpened, no known title asked beside the stack's own.
  const settings = { ...given, power: 1, bytesMax: 0 }
  const tree = treeOf(data.labels)
  const lexical = await trainLexical(data, settings, seed, { runtime, signal, report: tools.reportLexical })
  const parts = lexical.heldProbabilities.map((said, fold) => {
    const sides = sidesOf(data, vectors, dims, heldShare(data.examples.length, settings), fold)
    if (said.length === sides.held.rows.length * tree.paths) return sides
    throw new SluiceError('SL502', `${data.examples.length} rows are too few to keep some for validation`)
  })
  const heads = await validatedHeads(parts[0]!, tree, seed, tools)
  const head = heads[heads.better]
  const votesFor = await Promise.all(parts.map((part) => heldVotes(runtime, part, remember(part.kept), tree.paths)))
  const cheap = concatenated(lexical.heldProbabilities)
  const gold = Int32Array.from(parts.flatMap(({ held }) => [...held.gold]))
  const own: Experts = [logs(cheap), logs(concatenated(await heldHeads(parts, tree, seed, heads, tools)))]
  const tried = VOTES.map((vote) => ({ vote, said: concatenated(votesFor.map((votes) => votes(vote))) })).map(
    ({ vote, said }) => {
      const experts = [...own, said]
      const weights = fitWeights(experts, gold, tree.paths)
      const mix = mixed(experts, weights, tree.paths)
      return { vote, weights, mix, said, likelihood: meanLog(mix, gold, tree.paths) }
    },
  )
  const { vote, weights, mix, said } = tried.reduce((a, b) => (b.likelihood > a.likelihood ? b : a))
  const all = steps(cheap, mix, gold, tree.paths, POINTS)
  const chosen = cheapest(all, GIVEN_UP)
  const { all: rows } = parts[0]!
  const final = await refitHead(rows, tree, seed, heads, 'head, all rows', tools)
  const graph = { tree, head: final, temperatures: head.temperatures, memory: remember(rows), vote, weights }
  const judged = (probabilities: Float32Array) =>
    judge(distributions(probabilities, gold, tree), tree, settings.precision)
  return {
    model: runtime.serialise(stackGraph(graph)),
    lexical,
    head,
    weights,
    vote,
    steps: all,
    chosen,
    alone: [cheap, own[1]!.map(Math.exp), said.map(Math.exp)].map(judged),
    always: judged(mix),
    served: judged(asked(cheap, mix, tree.paths, chosen.ask)),
  }
}

/** What the better head says of the rows that each part holds out: the first as validated, the others fitted alike. */
async function heldHeads(parts: readonly Sides[], tree: Tree, seed: number, heads: Heads, tools: StackTools) {
  const { probabilities, temperatures } = heads[heads.better]
  const said = [probabilities]
  for (const { kept, held } of parts.slice(1)) {
    const weights = await refitHead(kept, tree, seed, heads, 'head, another part', tools)
    said.push(joint(await headLogits(tools.runtime, held, tree, weights, MLP.threads), tree, temperatures))
  }
  return said
}

const BATCH_ROWS = 64

/** What the neighbours of the held rows vote, for any way of counting: found once. */
async function heldVotes(runtime: GraphRuntime, { held }: Sides, memory: Memory, paths: number) {
  const graph = await runtime.compile(runtime.serialise(neighboursGraph(memory)), { threads: MLP.threads })
  const k = Math.min(NEIGHBOURS, memory.rows)
  const cosines = new Float32Array(held.rows.length * k)
  const found = new BigInt64Array(cosines.length)
  for (let from = 0; from < held.rows.length; from += BATCH_ROWS) {
    const outputs = await graph.run({ vectors: vectorsOf(held, held.rows.subarray(from, from + BATCH_ROWS)) })
    cosines.set(outputs['cosines']!.data as Float32Array, from * k)
    found.set(outputs['paths']!.data as BigInt64Array, from * k)
  }
  await graph.close()
  return (vote: Vote): Float32Array => {
    const out = new Float32Array(held.rows.length * paths)
    for (let row = 0; row < held.rows.length; row++) voteRow(cosines, found, row, k, vote, out, row * paths, paths)
    return out
  }
}

function meanLog(probabilities: Float32Array, gold: Int32Array, paths: number): number {
  let sum = 0
  gold.forEach((path, row) => (sum += Math.log(Math.max(probabilities[row * paths + path]!, 1e-12))))
  return sum / gold.length
}
