// One LLM call of a benchmark: remembered, or paid for, made and kept. Retries are finite: a contestant whose endpoint
// is dead or refuses us is out of the run, and only that one. Must never ask what is in the store.
import { wait_ms } from '../../core/llm/backoff.ts'
import { mostUsage } from '../../core/llm/budget.ts'
import { SluiceError } from '../../core/error.ts'
import { costUsd, NO_USAGE } from '../../core/llm/usage.ts'
import { LlmRejected, LlmUnavailable } from '../../ports/llm.ts'
import type { Backoff } from '../../core/llm/backoff.ts'
import type { LlmUsage, Price } from '../../core/llm/usage.ts'
import type { Hash, Prompt } from '../../core/prompt.ts'
import type { CallStore, StoredCall } from '../../ports/call-store.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Llm } from '../../ports/llm.ts'
import type { Budget } from './budget.ts'

export interface CallLimits extends Backoff {
  /** Tries in a row, over all calls, that nobody answers: then the contestant is out. */
  readonly tries_max: number
  /** The LLM port gives a call up after this long. */
  readonly timeout_ms: number
}

export interface CallDeps {
  readonly llm: Llm
  /** Names whatever else shapes an answer: contestant, endpoint, temperature. Part of the key of the store. */
  readonly identity: string
  readonly price: Price
  readonly limits: CallLimits
  readonly store: CallStore
  readonly budget: Budget
  readonly clock: Clock
  readonly hash: Hash
  /** Uniform in [0, 1): the jitter of retries. */
  readonly random: () => number
  /** No call is started after it; those in flight end as they would. */
  readonly stop: AbortSignal
  /** Ends those in flight. */
  readonly signal: AbortSignal
}

/** Why no more calls are started. */
export type End = 'stopped' | 'budget' | SluiceError

export interface Caller {
  /** Undefined: not in the store, and no call is started any more. */
  call(request: Prompt): Promise<StoredCall | undefined>
  ended(): End | undefined
  /** False until a request was answered with a reply, good or bad. */
  taken(): boolean
}

/** A first few requests refused, and none taken yet: that is no poisonous text but a wrong model or address. */
const REFUSED_FIRST_MAX = 3
const REFUSES_ALL =
  'every request so far was refused or had a reply that cannot be read (response_format json_schema is needed)'
/** A call that fails this many times `tries_max`, while others are answered, is at fault itself. */
const TRIES_AMONG_OTHERS = 4
/** Timers and clocks differ by a little. */
const TIMED_OUT_SHARE = 0.95
/** A text that is cut here is still too long to be an answer, see core/llm/check.ts. */
const STORED_CHARS_MAX = 1_000_000

export function caller(deps: CallDeps): Caller {
  const { llm, identity, price, limits, store, budget, clock, hash } = deps
  let end: End | undefined
  let taken = false
  /** Tries that nobody answered since the last one that somebody did. */
  let unanswered = 0
  /** Monotonic; what Retry-After asked of any call. */
  let notBefore = 0
  const refusedFirst: { readonly key: string; readonly call: StoredCall }[] = []
  const halt = new AbortController()

  function finish(why: End): undefined {
    end ??= why
    halt.abort()
  }

  async function keep(key: string, call: StoredCall): Promise<StoredCall> {
    unanswered = 0
    taken ||= call.heard.kind === 'reply'
    if (!taken) {
      refusedFirst.push({ key, call })
      if (refusedFirst.length >= REFUSED_FIRST_MAX) finish(new SluiceError('SL401', REFUSES_ALL))
      return call
    }
    for (const first of refusedFirst.splice(0)) await store.put(first.key, first.call)
    await store.put(key, call)
    return call
  }

  /** Undefined where the calls have ended meanwhile; throws LlmUnavailable where the same may be tried again. */
  async function attempt(key: string, request: Prompt, most: LlmUsage, settle: (cost: number) => void) {
    const started = clock.elapsed()
    const reply = await llm.complete(request, deps.signal).catch((error: unknown) => {
      const elapsed_ms = clock.elapsed() - started
      // Nobody knows what these have cost: a provider goes on after we hang up.
      const unknown = deps.signal.aborted || error instanceof LlmRejected || timedOut(error, elapsed_ms)
      settle(unknown ? worstUsd(most) : 0)
      if (deps.signal.aborted) return finish('stopped')
      if (error instanceof LlmRejected) return rejected(most)
      throw error
    })
    if (reply === undefined) return undefined
    if ('heard' in reply) return keep(key, reply)
    const { text, finish: how } = reply
    // No request is empty: a provider that says so says nothing.
    const reported = reply.usage.inputTokens > 0
    const usage = reported ? reply.usage : most
    settle(reported ? costUsd(usage, price) : worstUsd(most))
    const heard = { kind: 'reply', text: text.slice(0, STORED_CHARS_MAX), finish: how } as const
    return keep(key, { heard, usage, reported, elapsed_ms: clock.elapsed() - started })
  }

  function worstUsd(most: LlmUsage): number {
    return costUsd(most, { ...price, input: Math.max(price.input, price.cached_input) })
  }

  function timedOut(error: unknown, elapsed_ms: number): boolean {
    return error instanceof LlmUnavailable && elapsed_ms >= TIMED_OUT_SHARE * limits.timeout_ms
  }

  /** An end or a stop wakes it: who goes on then sees why. */
  async function pause(duration_ms: number): Promise<void> {
    await clock.sleep(duration_ms, AbortSignal.any([halt.signal, deps.stop])).catch(() => {})
  }

  async function make(key: string, request: Prompt): Promise<StoredCall | undefined> {
    const most = mostUsage(request)
    for (let failures = 0; ;) {
      if (clock.elapsed() < notBefore) await pause(notBefore - clock.elapsed())
      const settle = await budget.reserve(worstUsd(most))
      if (settle === undefined) return finish('budget')
      if (end !== undefined || deps.stop.aborted) {
        settle(0)
        return finish('stopped')
      }
      try {
        return await attempt(key, request, most, settle)
      } catch (error) {
        if (error instanceof SluiceError) return finish(error)
        if (!(error instanceof LlmUnavailable)) {
          finish('stopped')
          throw error
        }
        failures++
        if (++unanswered >= limits.tries_max && failures >= limits.tries_max)
          return finish(new SluiceError('SL402', `${error.message}, ${unanswered} times in a row`))
        if (failures >= TRIES_AMONG_OTHERS * limits.tries_max) return keep(key, rejected(NO_USAGE))
        notBefore = Math.max(notBefore, clock.elapsed() + (error.retryAfter_ms ?? 0))
        await pause(wait_ms(limits, failures, deps.random()))
      }
    }
  }

  return {
    async call(request) {
      const key = hash(JSON.stringify([identity, llm.model, request]))
      const known = store.get(key)
      if (known !== undefined) {
        taken ||= known.heard.kind === 'reply'
        return known
      }
      if (deps.stop.aborted) finish('stopped')
      return end === undefined ? make(key, request) : undefined
    },
    ended: () => end,
    taken: () => taken,
  }
}

function rejected(usage: LlmUsage): StoredCall {
  return { heard: { kind: 'rejected' }, usage, reported: false, elapsed_ms: 0 }
}
