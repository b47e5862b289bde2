// The LLM tier of the fallback role: answers open items, many a call, or says why a human must look.
// It waits as long as an outage lasts: an item is never lost, and never sent to review, because nobody answered.
// Must never let an LLM's or a product's text out by any other door than a checked label.
import { TooDear } from './llm-account.ts'
import { callThrough } from './llm-call.ts'
import { callIds, fold, open, plan } from '../core/llm/asking.ts'
import { isSuspicious } from '../core/llm/suspicion.ts'
import { callSize, massFor, tuned, untuned } from '../core/llm/tuning.ts'
import { addUsage, NO_USAGE, shareUsage } from '../core/llm/usage.ts'
import { promptDigest, renderPrompt } from '../core/prompt.ts'
import { hash32 } from '../core/random.ts'
import { whilePulsing } from './pulse.ts'
import type { Fail } from './pulse.ts'
import type { Asking, AskLimits, Call, Question, Verdict } from '../core/llm/asking.ts'
import type { Seen, SizeLimits } from '../core/llm/tuning.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import type { LlmCallRecord } from '../core/llm/usage.ts'
import type { Hash } from '../core/prompt.ts'
import type { LlmResult, OpenItem } from '../ports/tier.ts'
import type { CallLimits, CallOptions, Heeded } from './llm-call.ts'

export interface LlmLimits extends AskLimits, CallLimits, SizeLimits {
  /** Share of the texts that are asked once more alone, to measure what sharing a call does to answers; in [0, 1]. */
  readonly call_audit_share: number
  /** Each segment is cut to this many UTF-16 units in a prompt. */
  readonly segment_chars_max: number
  /** Tokens that one reply may take, those of a model's reasoning included. */
  readonly output_tokens_max: number
  /** `progress` is called this often while answering. */
  readonly progress_ms: number
}

export interface LlmTierOptions extends CallOptions {
  readonly hash: Hash
  /** Takes out of every text what no LLM may see. */
  readonly redact: (text: string) => string
  readonly limits: LlmLimits
}

export interface LlmTier {
  /** Prompt digest with the first provider's model; an answer holds that of the model which gave it. */
  readonly digest: string
  /**
   * One result per item, in order. Calls `progress` every `progress_ms` until done; what that throws ends the work.
   * Rejects with LlmStopped when the signal is aborted: nothing of the batch may be committed then.
   */
  answer(open: readonly OpenItem[], progress: () => Promise<void>, signal: AbortSignal): Promise<readonly LlmResult[]>
}

interface Asked {
  readonly call: Call
  readonly heeded: Heeded
}

const REVIEWS = {
  'no-label-fits': 'the LLM says that no label fits',
  suspicious: 'the text looks as if it spoke to the LLM, and the LLM did not answer as the local model',
} as const
/** Which texts are audited is told by their hash, with this seed. */
const AUDIT_SEED = 5

export function createLlmTier(options: LlmTierOptions): LlmTier {
  const { task, providers, clock, emit, limits, hash, redact } = options
  const digests = new Map<string, string>()
  const digestOf = (model: string) =>
    digests.get(model) ?? digests.set(model, promptDigest(task, model, hash)).get(model)!
  const through = callThrough(options)
  let tuning = untuned(limits.items_per_call_max)

  /** In parts, one after the other, where the budget never has room for all of it. */
  async function ask(asking: Asking, call: Call, signal: AbortSignal): Promise<Asked[]> {
    try {
      return [{ call, heeded: await askOnce(asking, call, signal) }]
    } catch (error) {
      if (!(error instanceof TooDear)) throw error
      const half = Math.ceil(call.questions.length / 2)
      const [first, second] = [call.questions.slice(0, half), call.questions.slice(half)]
      const before = await ask(asking, { ...call, questions: first }, signal)
      return [...before, ...(await ask(asking, { ...call, questions: second }, signal))]
    }
  }

  async function askOnce(asking: Asking, call: Call, signal: AbortSignal): Promise<Heeded> {
    const ids = callIds(call)
    const items = call.questions.map((index, position) => ({
      id: ids[position]!,
      segments: asking.questions[index]!.segments,
    }))
    const choice = { labels: [...call.choices.steps.keys()], whole: call.choices.whole }
    const prompt = renderPrompt(task, items, choice, { ...limits, hash, redact })
    return through(prompt, items.length, signal)
  }

  /** Rounds of calls until every question has its verdict; what it took is per question. */
  async function work(start: Asking, signal: AbortSignal, fail: Fail) {
    let asking = start
    const spent = asking.questions.map((): LlmCallRecord => ({
      model: providers.model,
      calls: 0,
      ...NO_USAGE,
      costUsd: 0,
    }))
    const settled = asking.questions.map((): CallRecord[] => [])
    for (let round = plan(asking); round.length > 0; round = plan(asking)) {
      const asked = asking
      const heard = await together(
        round.map((call) => ask(asked, call, signal)),
        fail,
      )
      for (const { call, heeded } of heard.flat()) {
        const { heard: said, usage, costUsd, model, call: bought } = heeded
        const folded = fold(asking, call, said)
        asking = folded.asking
        report(folded.faults)
        learn(folded.seen)
        const shares = shareUsage(usage, call.questions.length)
        call.questions.forEach((index, at) => {
          if (bought) settled[index]!.push(bought)
          const before = spent[index]!
          spent[index] = {
            model,
            calls: before.calls + 1,
            ...addUsage(before, shares[at]!),
            costUsd: before.costUsd + costUsd / call.questions.length,
          }
        })
      }
    }
    return { asking, spent, settled }
  }

  function report(faults: readonly string[]): void {
    for (const [why, items] of Map.groupBy(faults, (fault) => fault))
      emit('llm.rejected', { task: task.name, why, items: items.length })
  }

  function learn(seen: Seen): void {
    const before = callSize(tuning, limits)
    tuning = tuned(tuning, seen)
    const items = callSize(tuning, limits)
    if (items !== before) emit('llm.resized', { task: task.name, items })
    for (const { same } of seen.audits) emit('llm.audited', { task: task.name, same: String(same) })
  }

  /** Distinct texts, and how they are asked by what the calls so far have taught. */
  function opened(questions: readonly Question[]): Asking {
    const items_per_call_max = callSize(tuning, limits)
    const shortlist_mass = massFor(tuning, limits.shortlist_mass)
    const suspicious = questions.filter((question) => question.suspicious).length
    if (suspicious > 0) emit('llm.suspected', { task: task.name, items: suspicious })
    return open(task.labels, questions, { ...limits, items_per_call_max, shortlist_mass })
  }

  function result(
    { item, shortlist }: OpenItem,
    verdict: Verdict,
    record: LlmCallRecord,
    settled: readonly CallRecord[],
  ): LlmResult {
    if (verdict.kind === 'answered')
      return {
        kind: 'answered',
        item,
        record,
        settled,
        answer: { label: verdict.label, probabilities: [], tier: 'llm', digest: digestOf(record.model) },
      }
    const why =
      verdict.why === 'no-label-fits' || verdict.why === 'suspicious'
        ? REVIEWS[verdict.why]
        : `no valid answer of the LLM in ${limits.asks_max} asks, the last one: ${verdict.why}`
    return { kind: 'review', item, record, settled, shortlist, why }
  }

  return {
    digest: digestOf(providers.model),
    async answer(items, progress, signal) {
      const byText = Map.groupBy(items, ({ item }) => item.textHash)
      const questions = [...byText].map(([textHash, same]) => ({
        segments: same[0]!.item.segments,
        shortlist: same[0]!.shortlist,
        suspicious: isSuspicious(same[0]!.item.segments),
        audited: hash32(textHash, AUDIT_SEED) / 2 ** 32 < limits.call_audit_share,
      }))
      const position = new Map([...byText.keys()].map((textHash, index) => [textHash, index]))
      const { asking, spent, settled } = await whilePulsing(
        { clock, every_ms: limits.progress_ms, progress, signal },
        (inner, fail) => work(opened(questions), inner, fail),
      )
      return items.map((entry) => {
        const index = position.get(entry.item.textHash)!
        const verdict = asking.standings[index]!.verdict!
        // The first of its text bears the cost: the others were not asked.
        const first = byText.get(entry.item.textHash)![0] === entry
        const { model } = spent[index]!
        const record = first ? spent[index]! : { model, calls: 0, ...NO_USAGE, costUsd: 0 }
        return result(entry, verdict, record, settled[index]!)
      })
    },
  }
}

/** Waits for all, so that nothing goes on in the background, and ends the others when one fails. */
async function together<T>(promises: readonly Promise<T>[], fail: Fail): Promise<T[]> {
  for (const promise of promises) promise.catch(fail)
  await Promise.allSettled(promises)
  return Promise.all(promises)
}
