// The LLM tier of the fallback role: answers open items, many a call, or says why a human must look.
// It waits as long as an outage lasts: an item is never lost, and never sent to review, because nobody answered.
// Must never let an LLM's or a product's text out by any other door than a checked label.
import { callThrough } from './llm-call.ts'
import { callIds, fold, open, plan } from '../core/llm/asking.ts'
import { addUsage, NO_USAGE, shareUsage } from '../core/llm/usage.ts'
import { promptDigest, renderPrompt } from '../core/prompt.ts'
import { whilePulsing } from './pulse.ts'
import type { Fail } from './pulse.ts'
import type { Asking, AskLimits, Call, Verdict } from '../core/llm/asking.ts'
import type { LlmCallRecord } from '../core/llm/usage.ts'
import type { Hash } from '../core/prompt.ts'
import type { LlmResult, OpenItem } from '../ports/tier.ts'
import type { CallLimits, CallOptions, Heeded } from './llm-call.ts'

export interface LlmLimits extends AskLimits, CallLimits {
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

export function createLlmTier(options: LlmTierOptions): LlmTier {
  const { task, providers, clock, emit, limits, hash, redact } = options
  const digests = new Map<string, string>()
  const digestOf = (model: string) =>
    digests.get(model) ?? digests.set(model, promptDigest(task, model, hash)).get(model)!
  const through = callThrough(options)

  async function ask(asking: Asking, call: Call, signal: AbortSignal): Promise<Heeded> {
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
    for (let round = plan(asking); round.length > 0; round = plan(asking)) {
      const asked = asking
      const heard = await together(
        round.map((call) => ask(asked, call, signal)),
        fail,
      )
      round.forEach((call, position) => {
        const { heard: said, usage, costUsd, model } = heard[position]!
        const folded = fold(asking, call, said)
        asking = folded.asking
        report(folded.faults)
        const shares = shareUsage(usage, call.questions.length)
        call.questions.forEach((index, at) => {
          const before = spent[index]!
          spent[index] = {
            model,
            calls: before.calls + 1,
            ...addUsage(before, shares[at]!),
            costUsd: before.costUsd + costUsd / call.questions.length,
          }
        })
      })
    }
    return { asking, spent }
  }

  function report(faults: readonly string[]): void {
    for (const [why, items] of Map.groupBy(faults, (fault) => fault))
      emit('llm.rejected', { task: task.name, why, items: items.length })
  }

  function result({ item, shortlist }: OpenItem, verdict: Verdict, record: LlmCallRecord): LlmResult {
    if (verdict.kind === 'answered')
      return {
        kind: 'answered',
        item,
        record,
        answer: { label: verdict.label, probabilities: [], tier: 'llm', digest: digestOf(record.model) },
      }
    const why =
      verdict.why === 'no-label-fits'
        ? 'the LLM says that no label fits'
        : `no valid answer of the LLM in ${limits.asks_max} asks, the last one: ${verdict.why}`
    return { kind: 'review', item, record, shortlist, why }
  }

  return {
    digest: digestOf(providers.model),
    async answer(items, progress, signal) {
      const byText = Map.groupBy(items, ({ item }) => item.textHash)
      const questions = [...byText.values()].map((same) => ({
        segments: same[0]!.item.segments,
        shortlist: same[0]!.shortlist,
      }))
      const position = new Map([...byText.keys()].map((textHash, index) => [textHash, index]))
      const { asking, spent } = await whilePulsing(
        { clock, every_ms: limits.progress_ms, progress, signal },
        (inner, fail) => work(open(task.labels, questions, limits), inner, fail),
      )
      return items.map((entry) => {
        const index = position.get(entry.item.textHash)!
        const verdict = asking.standings[index]!.verdict!
        // The first of its text bears the cost: the others were not asked.
        const first = byText.get(entry.item.textHash)![0] === entry
        const { model } = spent[index]!
        return result(entry, verdict, first ? spent[index]! : { model, calls: 0, ...NO_USAGE, costUsd: 0 })
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
