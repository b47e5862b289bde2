// The LLM tier of the fallback role: answers open items, many a call, or says why a human must look.
// It waits as long as an outage lasts: an item is never lost, and never sent to review, because nobody answered.
// Must never let an LLM's or a product's text out by any other door than a checked label.
import { callThrough } from './llm-call.ts'
import { callIds, fold, open, plan } from '../core/llm/asking.ts'
import { addUsage, costUsd, NO_USAGE, shareUsage } from '../core/llm/usage.ts'
import { promptDigest, renderPrompt } from '../core/prompt.ts'
import type { Asking, AskLimits, Call, Heard, Verdict } from '../core/llm/asking.ts'
import type { LlmCallRecord, LlmUsage } from '../core/llm/usage.ts'
import type { Hash } from '../core/prompt.ts'
import type { Clock } from '../ports/clock.ts'
import type { LlmResult, OpenItem } from '../ports/tier.ts'
import type { CallLimits, CallOptions } from './llm-call.ts'

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
  readonly limits: LlmLimits
}

export interface LlmTier {
  /** Prompt digest: stands in every answer. */
  readonly digest: string
  /**
   * One result per item, in order. Calls `progress` every `progress_ms` until done; what that throws ends the work.
   * Rejects with LlmStopped when the signal is aborted: nothing of the batch may be committed then.
   */
  answer(open: readonly OpenItem[], progress: () => Promise<void>, signal: AbortSignal): Promise<readonly LlmResult[]>
}

/** The caller's signal ended the work before all items had their answer. */
export class LlmStopped extends Error {
  override readonly name = 'LlmStopped'
}

export function createLlmTier(options: LlmTierOptions): LlmTier {
  const { task, llm, clock, emit, limits, hash } = options
  const digest = promptDigest(task, llm.model, hash)
  const through = callThrough(options)

  async function ask(asking: Asking, call: Call, signal: AbortSignal): Promise<{ heard: Heard; usage: LlmUsage }> {
    const ids = callIds(call)
    const items = call.questions.map((index, position) => ({
      id: ids[position]!,
      segments: asking.questions[index]!.segments,
    }))
    const choice = { labels: [...call.choices.steps.keys()], whole: call.choices.whole }
    const prompt = renderPrompt(task, items, choice, { ...limits, hash })
    return through(prompt, items.length, signal)
  }

  /** Rounds of calls until every question has its verdict; `spent` and `calls` are per question. */
  async function work(start: Asking, signal: AbortSignal, fail: Fail) {
    let asking = start
    const spent: LlmUsage[] = asking.questions.map(() => NO_USAGE)
    const calls = asking.questions.map(() => 0)
    for (let round = plan(asking); round.length > 0; round = plan(asking)) {
      const asked = asking
      const heard = await together(
        round.map((call) => ask(asked, call, signal)),
        fail,
      )
      round.forEach((call, position) => {
        const { heard: said, usage } = heard[position]!
        const folded = fold(asking, call, said)
        asking = folded.asking
        report(folded.faults)
        const shares = shareUsage(usage, call.questions.length)
        call.questions.forEach((index, at) => {
          spent[index] = addUsage(spent[index]!, shares[at]!)
          calls[index]!++
        })
      })
    }
    return { asking, spent, calls }
  }

  function report(faults: readonly string[]): void {
    for (const [why, items] of Map.groupBy(faults, (fault) => fault))
      emit('llm.rejected', { task: task.name, why, items: items.length })
  }

  /** `first`: the item was the one asked for its text; the others of that text cost nothing. */
  function result(open: OpenItem, verdict: Verdict, usage: LlmUsage, calls: number): LlmResult {
    const cost = costUsd(usage, options.prices[llm.model])
    const record: LlmCallRecord = { model: llm.model, calls, ...usage, costUsd: cost }
    const { item, shortlist } = open
    if (verdict.kind === 'answered')
      return {
        kind: 'answered',
        item,
        record,
        answer: { label: verdict.label, probabilities: [], tier: 'llm', digest },
      }
    const why =
      verdict.why === 'no-label-fits'
        ? 'the LLM says that no label fits'
        : `no valid answer of the LLM in ${limits.asks_max} asks, the last one: ${verdict.why}`
    return { kind: 'review', item, record, shortlist, why }
  }

  return {
    digest,
    async answer(items, progress, signal) {
      const byText = Map.groupBy(items, ({ item }) => item.textHash)
      const questions = [...byText.values()].map((same) => ({
        segments: same[0]!.item.segments,
        shortlist: same[0]!.shortlist,
      }))
      const position = new Map([...byText.keys()].map((textHash, index) => [textHash, index]))
      const { asking, spent, calls } = await whilePulsing(
        { clock, every_ms: limits.progress_ms, progress, signal },
        (inner, fail) => work(open(task.labels, questions, limits), inner, fail),
      )
      return items.map((entry) => {
        const index = position.get(entry.item.textHash)!
        const verdict = asking.standings[index]!.verdict!
        const first = byText.get(entry.item.textHash)![0] === entry
        return result(entry, verdict, first ? spent[index]! : NO_USAGE, first ? calls[index]! : 0)
      })
    },
  }
}

interface Pulse {
  readonly clock: Clock
  readonly every_ms: number
  readonly progress: () => Promise<void>
  readonly signal: AbortSignal
}

/** Ends everything that shares the signal; the first error given is the one that the caller sees. */
type Fail = (error: unknown) => void

/** Runs the work and calls `progress` beside it; whichever fails first ends the other. */
async function whilePulsing<T>(pulse: Pulse, work: (signal: AbortSignal, fail: Fail) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const signal = AbortSignal.any([pulse.signal, stop.signal])
  let failure: { readonly error: unknown } | undefined
  const fail: Fail = (error) => {
    if (signal.aborted) return
    failure = { error }
    stop.abort(error)
  }
  const beat = async () => {
    while (!signal.aborted) {
      await pulse.clock.sleep(pulse.every_ms, signal).catch(() => {})
      if (!signal.aborted) await pulse.progress()
    }
  }
  const beating = beat().catch(fail)
  try {
    return await work(signal, fail)
  } catch (error) {
    if (failure) throw failure.error
    if (pulse.signal.aborted) throw new LlmStopped('asked to stop while items waited for the LLM', { cause: error })
    throw error
  } finally {
    stop.abort()
    await beating
  }
}

/** Waits for all, so that nothing goes on in the background, and ends the others when one fails. */
async function together<T>(promises: readonly Promise<T>[], fail: Fail): Promise<T[]> {
  for (const promise of promises) promise.catch(fail)
  await Promise.allSettled(promises)
  return Promise.all(promises)
}
