// A large language model takes the test: zero-shot, from the task's rubric, each item asked once. An answer that is not
// valid is no answer; there is no second chance, and no list of candidates from a local model.
import { callIds, fold, open, plan } from '../../core/llm/asking.ts'
import { addUsage, NO_USAGE, shareUsage } from '../../core/llm/usage.ts'
import { renderPrompt } from '../../core/prompt.ts'
import { caller } from './call.ts'
import type { Given, Performance, Split } from '../../core/benchmark/score.ts'
import type { SampleItem } from '../../core/benchmark/sample.ts'
import type { AskLimits, Call } from '../../core/llm/asking.ts'
import type { LlmUsage, Price } from '../../core/llm/usage.ts'
import type { Prompt, PromptOptions } from '../../core/prompt.ts'
import type { Task } from '../../core/task.ts'
import type { Llm } from '../../ports/llm.ts'
import type { Caller, CallDeps, CallLimits, End } from './call.ts'

export interface LlmContestant {
  readonly name: string
  readonly llm: Llm
  /** With the contestant's own instruction, where it has one. */
  readonly task: Task
  readonly price: Price
  /** Endpoint and parameters, as they shape an answer. */
  readonly settings: string
  readonly limits: CallLimits & {
    readonly items_per_call: number
    readonly calls_concurrently: number
    readonly segment_chars_max: number
    readonly output_tokens_max: number
  }
}

export type AskDeps = Pick<CallDeps, 'budget' | 'store' | 'clock' | 'hash' | 'random' | 'stop' | 'signal'> & {
  /** Takes out of every text what no LLM may see. */
  readonly redact: (text: string) => string
  /** Items that are done, of all. */
  readonly progress: (done: number, total: number) => void
}

export interface Asked {
  readonly performance: Performance
  /** Undefined where every item was asked. */
  readonly end: End | undefined
}

export async function askLlm(contestant: LlmContestant, splits: readonly Split[], deps: AskDeps): Promise<Asked> {
  const { name, llm, price, limits, settings } = contestant
  const asks = caller({ ...deps, llm, price, limits, identity: JSON.stringify([name, settings]) })
  const given: (Given | undefined)[][] = splits.map(({ items }) => items.map(() => undefined))
  const latencies_ms: number[] = []
  let usage = NO_USAGE
  let unreported = 0
  let done = 0
  const total = splits.reduce((sum, { items }) => sum + items.length, 0)
  const parts = splits.flatMap(({ items }, split) =>
    chunksOf(items, limits.items_per_call).map((chunk, at) => ({ split, from: at * limits.items_per_call, chunk })),
  )
  let next = 0
  const lane = async () => {
    // To the last one even after the end: what is in the store is still read.
    for (let part = parts[next++]; part !== undefined; part = parts[next++]) {
      const { split, from, chunk } = part
      const heard = await askChunk(contestant, chunk, asks, deps)
      heard.given.forEach((one, index) => {
        given[split]![from + index] = one
        if (one !== undefined) usage = addUsage(usage, heard.usage[index]!)
      })
      latencies_ms.push(...heard.latencies_ms)
      unreported += heard.unreported
      done += heard.given.filter((one) => one !== undefined).length
      deps.progress(done, total)
    }
  }
  // All of them end before anyone hears of an error: none goes on behind the back of a closed store.
  const lanes = await Promise.allSettled(Array.from({ length: limits.calls_concurrently }, lane))
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
  const end = asks.ended()
  const failure = failureOf(end)
  // Refused from the first request on: that says nothing about the items.
  if (end !== undefined && !asks.taken()) for (const answers of given) answers.fill(undefined)
  return {
    performance: {
      name,
      kind: 'llm',
      model: llm.model,
      given,
      latencies_ms,
      batch: limits.items_per_call,
      usage,
      unreported,
      price,
      ...(failure === undefined ? {} : { failure }),
    },
    end,
  }
}

function failureOf(end: End | undefined): string | undefined {
  if (end === undefined) return undefined
  if (end === 'stopped') return 'stopped before the end; the same command goes on where it stopped'
  if (end === 'budget') return 'the budget does not reach for another call; a higher --budget goes on where it stopped'
  return end.describe().replace('\n  what', '; what')
}

function chunksOf(items: readonly SampleItem[], size: number): SampleItem[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size))
}

/** How a text is shown. */
type Shown = Pick<PromptOptions, 'hash' | 'redact'>

interface Heard {
  readonly given: readonly (Given | undefined)[]
  readonly usage: readonly LlmUsage[]
  /** Replies whose usage the provider did not tell. */
  readonly unreported: number
  readonly latencies_ms: readonly number[]
}

/** Walks the label set with the items of one call until each has its verdict, or until no call is started any more. */
async function askChunk(
  { task, limits }: LlmContestant,
  items: readonly SampleItem[],
  asks: Caller,
  shown: Shown,
): Promise<Heard> {
  const questions = items.map(({ segments }) => ({ segments, shortlist: [] }))
  let asking = open(task.labels, questions, limitsOf(limits.items_per_call))
  const usage = items.map(() => NO_USAGE)
  const latencies_ms: number[] = []
  let unreported = 0
  let going = true
  for (let round = plan(asking); going && round.length > 0; round = plan(asking)) {
    for (const call of round) {
      const heard = await asks.call(promptOf(task, items, call, limits, shown))
      if (heard === undefined) {
        going = false
        continue
      }
      asking = fold(asking, call, heard.heard).asking
      if (heard.heard.kind === 'reply') latencies_ms.push(heard.elapsed_ms)
      if (heard.heard.kind === 'reply' && !heard.reported) unreported++
      const shares = shareUsage(heard.reported ? heard.usage : NO_USAGE, call.questions.length)
      call.questions.forEach((index, at) => (usage[index] = addUsage(usage[index]!, shares[at]!)))
    }
  }
  const given = asking.standings.map(({ verdict }): Given | undefined => {
    if (verdict === undefined) return undefined
    return verdict.kind === 'answered' ? { label: verdict.label } : { why: verdict.why }
  })
  return { given, usage, unreported, latencies_ms }
}

function promptOf(
  task: Task,
  items: readonly SampleItem[],
  call: Call,
  limits: LlmContestant['limits'],
  { hash, redact }: Shown,
): Prompt {
  const ids = callIds(call)
  const shown = call.questions.map((index, position) => ({ id: ids[position]!, segments: items[index]!.segments }))
  const choice = { labels: [...call.choices.steps.keys()], whole: call.choices.whole }
  return renderPrompt(task, shown, choice, { ...limits, hash, redact })
}

export interface Estimate {
  /** US dollars: four characters a token, answers of twenty tokens. A guess, quoted before the run. */
  readonly usd: number
  readonly calls: number
}

/** A call holds what the contestant's settings say; there are no short lists. */
function limitsOf(items_per_call_max: number): AskLimits {
  return { items_per_call_max, asks_max: 1, prompt_tokens_max: Infinity, shortlist_mass: 0, shortlist_max: 0 }
}

const CHARS_PER_TOKEN = 4
const ANSWER_TOKENS = 20

/** What the sample would cost this contestant, were nothing of it known yet; a deep label set takes a call a level. */
export function estimate({ task, price, limits }: LlmContestant, splits: readonly Split[], shown: Shown): Estimate {
  let [usd, calls] = [0, 0]
  for (const chunk of splits.flatMap(({ items }) => chunksOf(items, limits.items_per_call))) {
    const questions = chunk.map(({ segments }) => ({ segments, shortlist: [] }))
    const asking = open(task.labels, questions, limitsOf(limits.items_per_call))
    for (const call of plan(asking)) {
      const { system, user, schema } = promptOf(task, chunk, call, limits, shown)
      const chars = system.length + user.length + JSON.stringify(schema).length
      const rounds = call.choices.whole ? 1 : task.labels.levels
      const tokens = (chars / CHARS_PER_TOKEN) * price.input + chunk.length * ANSWER_TOKENS * price.output
      usd += (rounds * tokens) / 1e6
      calls += rounds
    }
  }
  return { usd, calls }
}
