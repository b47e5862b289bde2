// One LLM call that takes place, whatever it takes: waits for a free slot, for the breaker and for what Retry-After asked,
// and repeats while nobody answers. Must never give up because of an outage, and never spin: every turn of the loop waits.
import { wait_ms } from '../core/llm/backoff.ts'
import { SluiceError } from '../core/error.ts'
import { costUsd, NO_USAGE } from '../core/llm/usage.ts'
import { BreakerOpen } from '../ports/breaker.ts'
import { LlmRejected, LlmUnavailable } from '../ports/llm.ts'
import type { Heard } from '../core/llm/asking.ts'
import type { Backoff } from '../core/llm/backoff.ts'
import type { LlmUsage, PriceTable } from '../core/llm/usage.ts'
import type { Task } from '../core/task.ts'
import type { Breaker } from '../ports/breaker.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { Llm, LlmReply, LlmRequest } from '../ports/llm.ts'

export interface CallLimits extends Backoff {
  /** Calls in flight at once, over all batches. */
  readonly calls_concurrently: number
}

export interface CallOptions {
  readonly task: Task
  readonly llm: Llm
  readonly breaker: Breaker
  readonly clock: Clock
  readonly emit: Emit
  /** Uniform in [0, 1): the jitter of retries. */
  readonly random: () => number
  readonly limits: CallLimits
  readonly prices: PriceTable
}

interface Heeded {
  readonly heard: Heard
  readonly usage: LlmUsage
}

/** What the breaker counts as a failure: there is no one to ask, or we are not let in. */
export function isOutage(error: unknown): boolean {
  return error instanceof LlmUnavailable || (error instanceof SluiceError && error.code === 'SL401')
}

type Through = (request: LlmRequest, items: number, signal: AbortSignal) => Promise<Heeded>

export function callThrough(options: CallOptions): Through {
  const { task, llm, breaker, clock, emit, limits, random } = options
  const slots = semaphore(limits.calls_concurrently)
  /** Monotonic; no call of this tier starts before it. */
  let notBefore = 0
  /** The provider has taken a request of ours: a later refusal is about the request, not about our configuration. */
  let everTaken = false

  async function attempt(request: LlmRequest, items: number, signal: AbortSignal): Promise<LlmReply> {
    const started = clock.elapsed()
    const called = (status: string) =>
      emit('llm.called', { task: task.name, status, seconds: (clock.elapsed() - started) / 1_000, items })
    try {
      const reply = await breaker.fire((inner) => llm.complete(request, inner), signal)
      called(reply.finish === 'stop' ? 'ok' : reply.finish)
      return reply
    } catch (error) {
      if (signal.aborted) called('stopped')
      else if (!(error instanceof BreakerOpen)) called(statusOf(error))
      throw error
    }
  }

  function account({ usage }: LlmReply): void {
    const { inputTokens, cachedInputTokens, outputTokens } = usage
    emit('llm.tokens', { task: task.name, kind: 'input', tokens: inputTokens - cachedInputTokens })
    emit('llm.tokens', { task: task.name, kind: 'cached-input', tokens: cachedInputTokens })
    emit('llm.tokens', { task: task.name, kind: 'output', tokens: outputTokens })
    emit('llm.cost', { task: task.name, usd: costUsd(usage, options.prices[llm.model]) })
  }

  /** Waits for what Retry-After asked of any call, then for the breaker. */
  async function admitted(signal: AbortSignal): Promise<void> {
    while (clock.elapsed() < notBefore) {
      await clock.sleep(notBefore - clock.elapsed(), signal)
      signal.throwIfAborted()
    }
    await breaker.admits(signal)
    signal.throwIfAborted()
  }

  async function call(request: LlmRequest, items: number, signal: AbortSignal): Promise<Heeded> {
    for (let failures = 0; ;) {
      await admitted(signal)
      try {
        const reply = await attempt(request, items, signal)
        everTaken = true
        account(reply)
        return { heard: { kind: 'reply', text: reply.text, finish: reply.finish }, usage: reply.usage }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof BreakerOpen) continue
        if (error instanceof LlmRejected) {
          // Refused from the start and even alone: that is no poisonous text but a wrong model or address.
          if (everTaken || items > 1) return { heard: { kind: 'rejected' }, usage: NO_USAGE }
          emit('llm.refused', { task: task.name, detail: error.message })
        } else if (error instanceof SluiceError && error.code === 'SL401')
          emit('llm.refused', { task: task.name, detail: error.message })
        else if (!(error instanceof LlmUnavailable)) throw error
        failures++
        const asked_ms = error instanceof LlmUnavailable ? (error.retryAfter_ms ?? 0) : 0
        notBefore = Math.max(notBefore, clock.elapsed() + asked_ms)
        // Open: the breaker's interval is the pause, and it ends as soon as a probe succeeds.
        if (breaker.state === 'closed') await clock.sleep(wait_ms(limits, failures, random()), signal)
      }
    }
  }

  return async (request, items, signal) => {
    const free = await slots(signal)
    try {
      return await call(request, items, signal)
    } finally {
      free()
    }
  }
}

function statusOf(error: unknown): string {
  if (error instanceof LlmUnavailable) return 'unavailable'
  if (error instanceof LlmRejected) return 'rejected'
  return error instanceof SluiceError ? 'refused' : 'failed'
}

/** First come, first served. Resolves to the function that gives the slot back; rejects with the signal's reason. */
function semaphore(slots: number): (signal: AbortSignal) => Promise<() => void> {
  let free = slots
  const waiting = new Set<() => void>()
  const release = () => {
    const [next] = waiting
    if (next) next()
    else free++
  }
  return (signal) =>
    new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(enter)
        reject(signal.reason)
      }
      const enter = () => {
        waiting.delete(enter)
        signal.removeEventListener('abort', leave)
        resolve(release)
      }
      if (signal.aborted) leave()
      else if (free > 0) {
        free--
        enter()
      } else {
        waiting.add(enter)
        signal.addEventListener('abort', leave, { once: true })
      }
    })
}
