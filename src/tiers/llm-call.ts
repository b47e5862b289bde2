// One LLM call that takes place, whatever it takes: waits for a free slot, then for the providers, each try at one paid for
// and written down (llm-account.ts). Must never give up because of an outage.
import { costUsd, NO_USAGE } from '../core/llm/usage.ts'
import { BreakerOpen } from '../ports/breaker.ts'
import { LlmRejected } from '../ports/llm.ts'
import { openAccount } from './llm-account.ts'
import { statusOf } from './llm-providers.ts'
import { createSlots } from './slots.ts'
import type { Heard } from '../core/llm/asking.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import type { LlmUsage } from '../core/llm/usage.ts'
import type { Hash } from '../core/prompt.ts'
import type { Task } from '../core/task.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { LlmReply, LlmRequest } from '../ports/llm.ts'
import type { Books } from './llm-account.ts'
import type { LlmSource, Providers, SourcedReply } from './llm-providers.ts'

export interface CallLimits {
  /** Calls in flight at once, over all batches. */
  readonly calls_concurrently: number
}

export interface CallOptions {
  readonly task: Task
  readonly providers: Providers
  readonly clock: Clock
  readonly emit: Emit
  readonly books: Books
  readonly hash: Hash
  readonly limits: CallLimits
}

export interface Heeded {
  readonly heard: Heard
  readonly usage: LlmUsage
  /** US dollars, by the price of who answered. */
  readonly costUsd: number
  /** Who answered; the first provider's where nobody took the request. */
  readonly model: string
  /** As it stands in the ledger; the outcomes' transaction books it. Undefined where nothing was settled. */
  readonly call: CallRecord | undefined
}

/** Throws TooDear as well: then parts of it may be asked. */
type Through = (request: LlmRequest, items: number, signal: AbortSignal) => Promise<Heeded>

export function callThrough(options: CallOptions): Through {
  const { task, providers, clock, emit, limits } = options
  const slots = createSlots(() => limits.calls_concurrently)
  const account = openAccount({ ...options.books, task: task.name, clock, emit, hash: options.hash })

  /** One try at a provider. */
  async function told({ provider }: LlmSource, items: number, signal: AbortSignal, attempt: () => Promise<LlmReply>) {
    const started = clock.elapsed()
    const called = (status: string) =>
      emit('llm.called', { task: task.name, provider, status, seconds: (clock.elapsed() - started) / 1_000, items })
    try {
      const reply = await attempt()
      called(reply.finish === 'stop' ? 'ok' : reply.finish)
      return reply
    } catch (error) {
      if (signal.aborted) called('stopped')
      else if (!(error instanceof BreakerOpen)) called(statusOf(error))
      throw error
    }
  }

  function count({ usage, by }: SourcedReply): number {
    const { inputTokens, cachedInputTokens, outputTokens } = usage
    const usd = costUsd(usage, by.price)
    emit('llm.tokens', { task: task.name, kind: 'input', tokens: inputTokens - cachedInputTokens })
    emit('llm.tokens', { task: task.name, kind: 'cached-input', tokens: cachedInputTokens })
    emit('llm.tokens', { task: task.name, kind: 'output', tokens: outputTokens })
    emit('llm.cost', { task: task.name, usd })
    return usd
  }

  return async (request, items, signal) => {
    const free = await slots.take(signal)
    let call: CallRecord | undefined
    const paid = account.around(request, items, signal, (settled) => (call = settled))
    const around: typeof paid = (by, attempt, turn) =>
      paid(by, (id) => told(by, items, signal, () => attempt(id)), turn)
    try {
      const reply = await providers.complete(request, signal, { alone: items === 1, around })
      const { text, finish, usage, by } = reply
      return { heard: { kind: 'reply', text, finish }, usage, costUsd: count(reply), model: by.model, call }
    } catch (error) {
      if (signal.aborted || !(error instanceof LlmRejected)) throw error
      return { heard: { kind: 'rejected' }, usage: NO_USAGE, costUsd: 0, model: providers.model, call: undefined }
    } finally {
      free()
    }
  }
}
