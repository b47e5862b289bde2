// From what the contestants said to the figures of the table. Pure; every share comes with the count it was made from.
import { pathKey } from '../labels.ts'
import { costUsd } from '../llm/usage.ts'
import { measure } from '../metrics.ts'
import { holm, mcNemar, pairedDifference, quantile, wilson } from '../statistics.ts'
import type { Fault } from '../llm/check.ts'
import type { LlmUsage, Price } from '../llm/usage.ts'
import type { LabelPath } from '../labels.ts'
import type { ClassMetrics } from '../metrics.ts'
import type { SampleItem } from './sample.ts'
import type { Interval } from '../statistics.ts'

/** What a contestant made of one item: a label, or why there is none. */
export type Given = { readonly label: LabelPath } | { readonly why: Fault | 'no-label-fits' | 'suspicious' | 'failed' }

/** One of the two files of data; `items` in the order in which they are asked. */
export interface Split {
  readonly name: 'in-distribution' | 'out-of-distribution'
  readonly items: readonly SampleItem[]
}

/** What one contestant did on the whole sample. */
export interface Performance {
  readonly name: string
  readonly kind: 'local' | 'llm'
  /** The model that was asked, or the folder's digest. */
  readonly model: string
  /** Per split, per item; undefined where the item was not asked. */
  readonly given: readonly (readonly (Given | undefined)[])[]
  /** Milliseconds of each timed piece of work: an item of a local model, a call of an LLM. */
  readonly latencies_ms: readonly number[]
  /** Items in one timed piece of work, at most. */
  readonly batch: number
  /** Of the items that were asked, as far as it was reported. */
  readonly usage: LlmUsage
  /** Replies of an LLM whose usage the provider did not report. */
  readonly unreported?: number
  readonly price: Price
  /** Local models: items a second in large batches on the whole machine. */
  readonly itemsPerSecond?: number
  /** What the machine costs, US dollars an hour; undefined: not counted. */
  readonly machineUsdPerHour?: number | undefined
  /** Why it did not finish, for people, with what to do. */
  readonly failure?: string | undefined
}

export interface Share extends Interval {
  readonly share: number
}

export interface SplitScore {
  readonly items: number
  /** Items that were asked; everything below counts these alone. */
  readonly asked: number
  /** By level, l1 first: the path is right down to it. With 95 % interval (Wilson). */
  readonly accuracy: readonly Share[]
  readonly macroF1: number
  readonly perClass: Readonly<Record<string, ClassMetrics>>
  /** Items without a valid answer: they count as wrong. */
  readonly unanswered: number
  readonly unansweredBy: Readonly<Record<string, number>>
  /** Against the best local model, on the items that both were asked. */
  readonly paired?: Paired
}

export interface Paired {
  readonly items: number
  readonly onlyThis: number
  readonly onlyBest: number
  /** Accuracy of this less that of the best local model, with 95 % interval. */
  readonly difference: Share
  /** McNemar, exact, two-sided; adjusted for the number of contestants (Holm). */
  readonly p: number
  readonly verdict: 'better' | 'worse' | 'no difference shown'
}

export interface Score {
  readonly name: string
  readonly kind: Performance['kind']
  readonly model: string
  readonly splits: readonly SplitScore[]
  readonly latency_ms: { readonly p50?: number; readonly p95?: number; readonly p99?: number; readonly timed: number }
  readonly batch: number
  /** Timed pieces of work an item of a piece took part in; more than 1 where an LLM is led through a deep label set. */
  readonly callsPerItem: number
  readonly tokensPerItem: { readonly input: number; readonly cachedInput: number; readonly output: number }
  /** US dollars; undefined where nothing was asked, or where usage that costs money was not reported. */
  readonly costPer1000?: number
  readonly unreported: number
  readonly itemsPerSecond?: number
  readonly failure?: string
}

export interface Table {
  readonly splits: readonly { readonly name: Split['name']; readonly items: number }[]
  readonly levels: number
  /** Name of the local model that is right most often on the first split. */
  readonly best?: string
  readonly scores: readonly Score[]
}

const ALPHA = 0.05

export function score(splits: readonly Split[], levels: number, performances: readonly Performance[]): Table {
  const best = performances
    .filter(({ kind }) => kind === 'local')
    .toSorted((a, b) => rightShare(b, splits) - rightShare(a, splits))[0]
  const scores = performances.map((one) => scoreOne(one, splits, levels))
  const bySplit = splits.map(({ items }, at) => comparisons(items, at, performances, best))
  return {
    splits: splits.map(({ name, items }) => ({ name, items: items.length })),
    levels,
    ...(best ? { best: best.name } : {}),
    scores: scores.map((one, index) => ({
      ...one,
      splits: one.splits.map((split, at) => {
        const paired = bySplit[at]![index]
        return paired ? { ...split, paired } : split
      }),
    })),
  }
}

function scoreOne(performance: Performance, splits: readonly Split[], levels: number): Score {
  const { name, kind, model, latencies_ms, batch, usage, unreported = 0, price, failure } = performance
  const { itemsPerSecond, machineUsdPerHour } = performance
  const asked = performance.given.flat().filter((given) => given !== undefined).length
  const each = (total: number) => (asked === 0 ? 0 : total / asked)
  const machine =
    itemsPerSecond === undefined || machineUsdPerHour === undefined
      ? 0
      : (machineUsdPerHour / 3600 / itemsPerSecond) * 1000
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(latencies_ms, share))
  return {
    name,
    kind,
    model,
    splits: splits.map(({ items }, at) => scoreSplit(items, performance.given[at]!, levels)),
    latency_ms: {
      ...(p50 === undefined ? {} : { p50, p95: p95!, p99: p99! }),
      timed: latencies_ms.length,
    },
    batch,
    callsPerItem: each(latencies_ms.length) * batch,
    tokensPerItem: {
      input: each(usage.inputTokens),
      cachedInput: each(usage.cachedInputTokens),
      output: each(usage.outputTokens),
    },
    unreported,
    ...(asked === 0 || (unreported > 0 && !isFree(price))
      ? {}
      : { costPer1000: 1000 * each(costUsd(usage, price)) + machine }),
    ...(itemsPerSecond === undefined ? {} : { itemsPerSecond }),
    ...(failure === undefined ? {} : { failure }),
  }
}

function isFree({ input, cached_input, output }: Price): boolean {
  return input === 0 && cached_input === 0 && output === 0
}

function scoreSplit(items: readonly SampleItem[], given: readonly (Given | undefined)[], levels: number): SplitScore {
  const asked = items.flatMap(({ gold }, index) => {
    const said = given[index]
    if (said === undefined) return []
    const label = 'label' in said ? said.label : undefined
    return [{ gold, label, probabilities: [], shortlist: [], why: 'why' in said ? said.why : undefined }]
  })
  const { accuracy, macroF1, perClass } = measure(asked, levels, [])
  const reasons = asked.flatMap(({ why }) => why ?? [])
  return {
    items: items.length,
    asked: asked.length,
    accuracy: Object.values(accuracy).map((share) => ({
      share,
      ...wilson(Math.round(share * asked.length), asked.length),
    })),
    macroF1,
    perClass,
    unanswered: reasons.length,
    unansweredBy: Object.fromEntries([...Map.groupBy(reasons, (why) => why)].map(([why, all]) => [why, all.length])),
  }
}

function rightShare({ given }: Performance, splits: readonly Split[]): number {
  const asked = splits[0]!.items.filter((_, index) => given[0]![index] !== undefined).length
  const right = splits[0]!.items.filter((item, index) => isRight(item, given[0]![index])).length
  return asked === 0 ? 0 : right / asked
}

function isRight({ gold }: SampleItem, given: Given | undefined): boolean {
  return given !== undefined && 'label' in given && pathKey(given.label) === pathKey(gold)
}

/** One per contestant: undefined for the best itself and for those that share no item with it. */
function comparisons(
  items: readonly SampleItem[],
  at: number,
  performances: readonly Performance[],
  best: Performance | undefined,
): (Paired | undefined)[] {
  const counted = performances.map((one) => {
    if (best === undefined || one === best) return undefined
    const both = items.flatMap((item, index) => {
      const [ours, theirs] = [one.given[at]![index], best.given[at]![index]]
      return ours && theirs ? [{ won: isRight(item, ours), held: isRight(item, theirs) }] : []
    })
    const onlyThis = both.filter(({ won, held }) => won && !held).length
    const onlyBest = both.filter(({ won, held }) => held && !won).length
    return both.length === 0 ? undefined : { items: both.length, onlyThis, onlyBest }
  })
  const compared = counted.filter((one) => one !== undefined)
  const adjusted = holm(compared.map(({ onlyThis, onlyBest }) => mcNemar(onlyThis, onlyBest)))
  return counted.map((one) => {
    if (one === undefined) return undefined
    const { onlyThis, onlyBest } = one
    const p = adjusted[compared.indexOf(one)]!
    const share = (onlyThis - onlyBest) / one.items
    const verdict = p >= ALPHA ? 'no difference shown' : onlyThis > onlyBest ? 'better' : 'worse'
    return { ...one, difference: { share, ...pairedDifference(onlyThis, onlyBest, one.items) }, p, verdict }
  })
}
