// The money side of a call to a provider, around every try at one:
//
//   reserve the most it can cost ─► a slot ─► write that down, acknowledged ─► call ─► write down what it cost ─► put back
//        ├─ over budget: wait, ask again                                          └─ nobody knows: all of it stands
//        ├─ more than any window has, with several texts: TooDear
//        └─ no longer counted once it is written down: again
//
// Must never let a call out that was not both reserved and written down, and never spin: every turn of a loop waits.
import { amountOf, mostUsage, NOTHING, worstAmount } from '../core/llm/budget.ts'
import { wait_ms } from '../core/llm/backoff.ts'
import { failed, itemsShareOf, settled } from '../core/llm/ledger.ts'
import { isUnbilled } from './llm-providers.ts'
import { createSlots } from './slots.ts'
import type { Amount } from '../core/llm/budget.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import type { LlmUsage, Price } from '../core/llm/usage.ts'
import type { Hash } from '../core/prompt.ts'
import type { Budget, Reserved } from '../ports/budget.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { Ledger } from '../ports/ledger.ts'
import type { LlmReply, LlmRequest } from '../ports/llm.ts'
import type { Around } from './llm-providers.ts'

export interface Books {
  readonly budget: Budget
  readonly ledger: Ledger
  /** A new name every time. */
  readonly newId: () => string
  /** Uniform in [0, 1): so that those who wait for the same window do not come all at once. */
  readonly random: () => number
}

export interface AccountOptions extends Books {
  readonly task: string
  readonly clock: Clock
  readonly emit: Emit
  readonly hash: Hash
}

/** Over budget: asked again after this at the latest, since calls of others may have put something back. */
const POLL_MAX_MS = 1_000
const LEDGER_BACKOFF = { backoff_ms: 200, backoff_max_ms: 10_000 }

/** No window of the budget has room for the most that this call can cost. */
export class TooDear extends Error {
  override readonly name = 'TooDear'
}

type Opening = Omit<CallRecord, 'id' | 'at_ms' | 'purse'>
type Granted = Extract<Reserved, { kind: 'reserved' }>

export interface Account {
  /**
   * `asked`: texts in the request; of several it throws TooDear rather than wait for ever. What was settled is handed to
   * `keep`.
   */
  around(request: LlmRequest, asked: number, signal: AbortSignal, keep: (call: CallRecord) => void): Around
}

export function openAccount({ task, budget, ledger, newId, clock, emit, hash, random }: AccountOptions): Account {
  const waiting = { calls: 0, since: 0 }
  /** One call at a time is written down and not sent yet: a crash leaves no more than that one in the ledger for nothing. */
  const sending = createSlots(() => 1)

  async function reserved(most: Amount, asked: number, signal: AbortSignal): Promise<Granted> {
    let waits = false
    try {
      for (;;) {
        const said = await budget.reserve(task, most)
        if (said.kind === 'reserved') {
          if (signal.aborted) await said.settle(NOTHING)
          signal.throwIfAborted()
          return said
        }
        if (said.never && asked > 1) throw new TooDear(said.limit)
        if (!waits && waiting.calls++ === 0) {
          waiting.since = clock.elapsed()
          emit('budget.waiting', { task, limit: said.limit })
        }
        waits = true
        await clock.sleep(Math.min(said.wait_ms, POLL_MAX_MS) * (1 + random()), signal)
      }
    } finally {
      if (waits && --waiting.calls === 0)
        emit('budget.resumed', { task, seconds: (clock.elapsed() - waiting.since) / 1_000 })
    }
  }

  /** Once there is money for the call and it is written down. */
  async function opened(call: Opening, most: Amount, turn: () => Promise<void>, signal: AbortSignal) {
    for (let failures = 1; ; failures++) {
      const granted = await reserved(most, call.asked, signal)
      const next = turn().then(() => sending.take(signal))
      const sent = await next.catch(async (error: unknown) => {
        await granted.settle(NOTHING)
        throw error
      })
      const record: CallRecord = { ...call, id: newId(), at_ms: Math.floor(clock.now()), purse: granted.purse }
      const isWritten = await acknowledged(record)
      if (isWritten && (await granted.stands())) return { granted, record, sent }
      sent()
      // Without an answer it may have been written all the same: then the ledger is above what was spent by this call.
      if (isWritten) await acknowledged(failed(record))
      await granted.settle(NOTHING)
      await clock.sleep(wait_ms(LEDGER_BACKOFF, failures, random()), signal)
    }
  }

  /** What fails after the call is a matter of the time between: the outcomes' transaction writes it again. */
  async function acknowledged(record: CallRecord): Promise<boolean> {
    try {
      await ledger.write(record)
      return true
    } catch (error) {
      emit('ledger.failed', { task, record: record.state, detail: (error as Error).message })
      return false
    }
  }

  return {
    around(request, asked, signal, keep) {
      const itemsShare = itemsShareOf(request)
      const most = mostUsage(request)
      return async ({ provider, model, price }, attempt, turn) => {
        const worst = worstAmount(most, price)
        const reservation = { ...most, costUsd: worst.nanousd / 1e9, asked, aloneUsd: 0, items: [] }
        const by = { provider, model, price: digestOf(model, price) }
        const opening = opened({ task, state: 'reserved', ...by, ...reservation }, worst, turn, signal)
        const { granted, record, sent } = await opening
        const isAsked = !signal.aborted
        const replying = isAsked ? attempt(record.id) : Promise.reject(signal.reason as Error)
        sent()
        let reply: LlmReply
        try {
          reply = await replying
        } catch (error) {
          if (!isAsked || isUnbilled(error)) await Promise.all([acknowledged(failed(record)), granted.settle(NOTHING)])
          throw error
        }
        const usage = known(reply, most)
        const done = settled(record, usage, price, itemsShare)
        keep(done)
        // The ledger first: a process that dies between the two has put nothing back that is still written down as spent.
        await acknowledged(done)
        await granted.settle(amountOf(usage, price))
        return { ...reply, usage }
      }
    },
  }

  function digestOf(model: string, price: Price | undefined): string {
    return price === undefined ? '' : hash(JSON.stringify([model, price])).slice(0, 16)
  }
}

/** No request is empty, and no text: a provider that says so says nothing, and then it may have been the most. */
function known({ usage, text }: LlmReply, most: LlmUsage): LlmUsage {
  if (usage.inputTokens === 0) return most
  return text !== '' && usage.outputTokens === 0 ? { ...usage, outputTokens: most.outputTokens } : usage
}
