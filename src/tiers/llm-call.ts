// One LLM call that takes place, whatever it takes: waits for a free slot, then for the providers, and accounts for it.
// Must never give up because of an outage.
import { costUsd, NO_USAGE } from '../core/llm/usage.ts'
import { BreakerOpen } from '../ports/breaker.ts'
import { LlmRejected } from '../ports/llm.ts'
import { statusOf } from './llm-providers.ts'
import { createSlots } from './slots.ts'
import type { Heard } from '../core/llm/asking.ts'
import type { LlmUsage } from '../core/llm/usage.ts'
import type { Task } from '../core/task.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { LlmRequest } from '../ports/llm.ts'
import type { Around, Providers, SourcedReply } from './llm-providers.ts'

export interface CallLimits {
  /** Calls in flight at once, over all batches. */
  readonly calls_concurrently: number
}

export interface CallOptions {
  readonly task: Task
  readonly providers: Providers
  readonly clock: Clock
  readonly emit: Emit
  readonly limits: CallLimits
}

export interface Heeded {
  readonly heard: Heard
  readonly usage: LlmUsage
  /** US dollars, by the price of who answered. */
  readonly costUsd: number
  /** Who answered; the first provider's where nobody took the request. */
  readonly model: string
}

type Through = (request: LlmRequest, items: number, signal: AbortSignal) => Promise<Heeded>

export function callThrough(options: CallOptions): Through {
  const { task, providers, clock, emit, limits } = options
  const slots = createSlots(() => limits.calls_concurrently)

  /** Around every try at a provider. */
  function told(items: number, signal: AbortSignal): Around {
    return async ({ provider }, call) => {
      const started = clock.elapsed()
      const called = (status: string) =>
        emit('llm.called', { task: task.name, provider, status, seconds: (clock.elapsed() - started) / 1_000, items })
      try {
        const reply = await call()
        called(reply.finish === 'stop' ? 'ok' : reply.finish)
        return reply
      } catch (error) {
        if (signal.aborted) called('stopped')
        else if (!(error instanceof BreakerOpen)) called(statusOf(error))
        throw error
      }
    }
  }

  function account({ usage, by }: SourcedReply): number {
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
    try {
      const reply = await providers.complete(request, signal, { alone: items === 1, around: told(items, signal) })
      const { text, finish, usage, by } = reply
      return { heard: { kind: 'reply', text, finish }, usage, costUsd: account(reply), model: by.model }
    } catch (error) {
      if (signal.aborted || !(error instanceof LlmRejected)) throw error
      return { heard: { kind: 'rejected' }, usage: NO_USAGE, costUsd: 0, model: providers.model }
    } finally {
      free()
    }
  }
}
