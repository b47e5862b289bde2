// Several LLM providers as one that answers. Each has its breaker, its pause and its number of calls at once; a call goes
// to the first one, in their order, that takes calls, and on to the next where that one does not answer:
//
//   take a slot ─► attempt ─► answered         (the slot once there is money for the call: `Around`)
//        ▲            ├─ no answer, 429, wrong key ─► the next provider; after the last one: wait, begin again
//        │            └─ this very request refused ─► LlmRejected
//        └──── wait: until some provider takes calls (breaker, Retry-After), and the backoff of this call
//
// Must never give up because of an outage, and never spin: every turn of the loop waits or asks someone.
import { canaryOf } from '../core/prompt.ts'
import { wait_ms } from '../core/llm/backoff.ts'
import { fullConcurrency, lowered, raised } from '../core/llm/concurrency.ts'
import { SluiceError } from '../core/error.ts'
import { BreakerOpen } from '../ports/breaker.ts'
import { LlmRejected, LlmUnavailable } from '../ports/llm.ts'
import { createSlots } from './slots.ts'
import type { Backoff } from '../core/llm/backoff.ts'
import type { Concurrency } from '../core/llm/concurrency.ts'
import type { Price } from '../core/llm/usage.ts'
import type { Breaker } from '../ports/breaker.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { Llm, LlmReply, LlmRequest } from '../ports/llm.ts'
import type { Slots } from './slots.ts'

export interface Provider {
  /** From the configuration: stands in events, records and the ledger. */
  readonly name: string
  readonly llm: Llm
  /** Made with `isOutage`. */
  readonly breaker: Breaker
  /** Undefined: costs 0 in reports. */
  readonly price: Price | undefined
}

export interface ProvidersOptions {
  /** At least one; asked in this order. */
  readonly providers: readonly Provider[]
  /** Bound on the calls in flight at one provider; 429s make it fewer. */
  readonly calls_max: number
  readonly backoff: Backoff
  readonly clock: Clock
  readonly emit: Emit
  /** Uniform in [0, 1): the jitter of retries. */
  readonly random: () => number
}

/** Who is asked, and at what price. */
export interface LlmSource {
  readonly provider: string
  readonly model: string
  readonly price: Price | undefined
}

export interface SourcedReply extends LlmReply {
  readonly by: LlmSource
}

/**
 * Goes around every try at a provider: what must happen before money can be spent, and after. Rejects with what `call` and
 * `turn` reject with; BreakerOpen is then a call that did not take place. May wait before it calls, by a name that is new;
 * `turn` waits for a slot at the provider, which `call` does where nobody has. What may wait for long, for money, does so
 * before its turn: else it would keep from the provider those who need not wait.
 */
export type Around = (
  by: LlmSource,
  call: (id?: string) => Promise<LlmReply>,
  turn: () => Promise<void>,
) => Promise<LlmReply>

export interface CompleteOptions {
  /** The request holds one item alone: refused from the start, it is no poisonous text but a wrong model or address. */
  readonly alone: boolean
  readonly around: Around
}

export interface Providers {
  /** The model of the first provider: what is asked unless something is wrong. */
  readonly model: string
  /**
   * Waits as long as nobody answers. Throws LlmRejected where this very request is refused, the signal's reason, and what
   * nobody foresaw.
   */
  complete(request: LlmRequest, signal: AbortSignal, options: CompleteOptions): Promise<SourcedReply>
  /** What is missing while calls go on all the same, for people; empty when all is well. */
  degraded(): readonly string[]
  /** Ends timers and calls in flight. */
  close(): void
}

/** What a breaker counts as a failure: there is no one to ask, or we are not let in. */
export function isOutage(error: unknown): boolean {
  return error instanceof LlmUnavailable || error instanceof Stranger || isRefusal(error)
}

/** One word for what became of an attempt, for events and the ledger. */
export function statusOf(error: unknown): 'unavailable' | 'busy' | 'rejected' | 'refused' | 'failed' {
  if (error instanceof LlmUnavailable) return error.busy ? 'busy' : 'unavailable'
  if (error instanceof LlmRejected || error instanceof Stranger) return 'rejected'
  return isRefusal(error) ? 'refused' : 'failed'
}

/** True where the attempt has certainly cost nothing; false where nobody knows. */
export function isUnbilled(error: unknown): boolean {
  if (error instanceof Stranger) return error.rejected.unbilled
  if (error instanceof LlmUnavailable || error instanceof LlmRejected) return error.unbilled
  return error instanceof BreakerOpen || isRefusal(error)
}

const isRefusal = (error: unknown) => error instanceof SluiceError && error.code === 'SL401'

/** A request was not taken by a provider that has never taken one: its fault (a wrong model or address) or the text's. */
class Stranger extends Error {
  override readonly name = 'Stranger'
  readonly rejected: LlmRejected
  constructor(rejected: LlmRejected) {
    super(rejected.message)
    this.rejected = rejected
  }
}

interface Seat extends Provider {
  readonly by: LlmSource
  readonly slots: Slots
  concurrency: Concurrency
  /** Monotonic milliseconds; no call of ours begins before it. */
  notBefore: number
  /** It has taken a request of ours: a later refusal is about the request, not about the configuration. */
  everTaken: boolean
}

interface Failed {
  readonly seat: Seat
  readonly error: unknown
}

export function createProviders(options: ProvidersOptions): Providers {
  const { clock, emit, calls_max, backoff, random } = options
  const seats = options.providers.map((provider): Seat => {
    const seat: Seat = {
      ...provider,
      by: { provider: provider.name, model: provider.llm.model, price: provider.price },
      slots: createSlots(() => Math.floor(seat.concurrency.limit)),
      concurrency: fullConcurrency(calls_max),
      notBefore: -Infinity,
      everTaken: false,
    }
    return seat
  })
  const takesCalls = ({ breaker, notBefore }: Seat) => breaker.admitting && clock.elapsed() >= notBefore

  function setConcurrency(seat: Seat, next: Concurrency): void {
    const calls = Math.floor(next.limit)
    if (calls !== Math.floor(seat.concurrency.limit)) emit('llm.concurrency', { provider: seat.name, calls })
    seat.concurrency = next
  }

  /** One call to one provider, through its breaker; learns from how it ends. */
  function attempt(seat: Seat, request: LlmRequest, signal: AbortSignal): Promise<LlmReply> {
    return seat.breaker.fire(async (inner) => {
      const began = clock.elapsed()
      try {
        const reply = await seat.llm.complete(request, inner)
        seat.everTaken = true
        setConcurrency(seat, raised(seat.concurrency, seat.slots.inUse, calls_max))
        return reply
      } catch (error) {
        if (error instanceof LlmRejected && !seat.everTaken) throw new Stranger(error)
        if (error instanceof LlmUnavailable) {
          seat.notBefore = Math.max(seat.notBefore, clock.elapsed() + (error.retryAfter_ms ?? 0))
          if (error.busy) setConcurrency(seat, lowered(seat.concurrency, began, clock.elapsed()))
        }
        throw error
      }
    }, signal)
  }

  /** Asks one provider after the other until one answers; those that failed are noted in `failed`. */
  async function pass(request: LlmRequest, signal: AbortSignal, around: Around, failed: Failed[]) {
    for (const seat of seats) {
      if (!takesCalls(seat)) continue
      let free: (() => void) | undefined
      const turn = async () => {
        free ??= await seat.slots.take(signal)
        if (!takesCalls(seat)) throw new BreakerOpen('it went away while this call waited')
      }
      const call = async (id?: string) => {
        await turn()
        const last = failed.at(-1)
        if (last) emit('llm.failed-over', { provider: last.seat.name, why: statusOf(last.error), to: seat.name })
        return attempt(seat, id === undefined ? request : { ...request, id }, signal)
      }
      try {
        return { ...(await around(seat.by, call, turn)), by: seat.by }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof BreakerOpen) continue
        if (!isOutage(error)) throw error
        if (isRefusal(error)) emit('llm.refused', { provider: seat.name, detail: (error as Error).message })
        failed.push({ seat, error })
      } finally {
        free?.()
      }
    }
    return undefined
  }

  async function someoneTakesCalls(signal: AbortSignal): Promise<void> {
    const enough = new AbortController()
    const either = AbortSignal.any([signal, enough.signal])
    const takes = async (seat: Seat) => {
      while (!takesCalls(seat)) {
        const rest = seat.notBefore - clock.elapsed()
        if (rest > 0) await clock.sleep(rest, either)
        await seat.breaker.admits(either)
      }
    }
    try {
      await Promise.any(seats.map(takes))
    } catch (error) {
      signal.throwIfAborted()
      throw (error as AggregateError).errors[0]
    } finally {
      enough.abort()
    }
  }

  return {
    model: seats[0]!.llm.model,

    async complete(request, signal, { alone, around }) {
      for (let failures = 0; ;) {
        const failed: Failed[] = []
        const reply = await pass(request, signal, around, failed)
        const strangers = failed.filter(({ error }) => error instanceof Stranger)
        // Nobody knows us, and it may be the text: parted from its neighbours it will show; alone, a canary shows it.
        if (!reply && strangers.length > 0 && !seats.some(({ everTaken }) => everTaken)) {
          if (!alone) throw (strangers[0]!.error as Stranger).rejected
          if (await pass(canaryOf(request), signal, around, [])) continue
        }
        for (const { seat, error } of strangers)
          emit('llm.refused', { provider: seat.name, detail: (error as Error).message })
        if (reply) return reply
        if (failed.length > 0) failures++
        // Where nobody takes calls, that is the pause, and it ends as soon as a probe may go.
        if (failed.length > 0 && seats.some(takesCalls)) await clock.sleep(wait_ms(backoff, failures, random()), signal)
        await someoneTakesCalls(signal)
      }
    },

    degraded: () => {
      const away = seats.filter(({ breaker }) => breaker.state !== 'closed')
      return away.map(({ name, breaker }) => `the LLM provider ${name} does not answer (breaker ${breaker.state})`)
    },

    close: () => seats.forEach(({ breaker }) => breaker.close()),
  }
}
