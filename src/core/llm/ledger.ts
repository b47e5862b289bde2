// One record a call to an LLM, under one key, so that the last one written is what remains:
//
//   reserved ──the provider answered──► settled ──its items' outcomes are committed──► booked
//       └─────the provider did nothing──► failed
//
// A call of which nobody knows what it cost (a crash, a time-out, a lost connection) stays reserved: at the most that it
// can have cost. So the sum over the records is never below what a provider counts.
import { isItemLine } from '../prompt.ts'
import { costUsd } from './usage.ts'
import type { LlmUsage, Price } from './usage.ts'
import type { Prompt } from '../prompt.ts'
import type { Spending } from './budget.ts'

export type CallState = 'reserved' | 'settled' | 'failed' | 'booked'

export interface CallRecord extends LlmUsage {
  /** Goes to the provider with the call. */
  readonly id: string
  readonly task: string
  readonly state: CallState
  /** When it was reserved, milliseconds since the epoch. */
  readonly at_ms: number
  /** Whose money it is, see ports/budget.ts. */
  readonly purse: string
  readonly provider: string
  readonly model: string
  /** Digest of the price by which costUsd was reckoned; empty: no price, and then it costs 0. */
  readonly price: string
  /** US dollars, of the reservation while it is one. */
  readonly costUsd: number
  /** Texts that were asked about. */
  readonly asked: number
  /** US dollars that these texts would have cost, each in a call of its own with the same prompt; 0 unless settled. */
  readonly aloneUsd: number
  /** Items that end with this call, equal texts included; only when booked. */
  readonly items: readonly string[]
}

/** What a provider took for the call: the figures of the last record of it. */
export function settled(call: CallRecord, usage: LlmUsage, price: Price | undefined, itemsShare: number): CallRecord {
  const { inputTokens, cachedInputTokens, outputTokens } = usage
  const total = { inputTokens, cachedInputTokens, outputTokens }
  return {
    ...call,
    ...total,
    state: 'settled',
    costUsd: costUsd(total, price),
    aloneUsd: aloneUsd(total, price, call.asked, itemsShare),
  }
}

/** The provider did nothing, or was not asked at all. */
export function failed(call: CallRecord): CallRecord {
  return { ...call, state: 'failed', inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costUsd: 0 }
}

/**
 * Each of `asked` texts alone would have sent all of the prompt but the other texts, and got its own part of the reply;
 * as much of the input as here would have been cached. `itemsShare` in [0, 1]: the texts' part of the prompt.
 */
function aloneUsd(usage: LlmUsage, price: Price | undefined, asked: number, itemsShare: number): number {
  const input = (part: number) => part * (asked * (1 - itemsShare) + itemsShare)
  return costUsd(
    {
      inputTokens: input(usage.inputTokens),
      cachedInputTokens: input(usage.cachedInputTokens),
      outputTokens: usage.outputTokens,
    },
    price,
  )
}

/** Every call of these results once, with the ids of the items that end with it. */
export function book(
  results: readonly { readonly item: { readonly id: string }; readonly settled?: readonly CallRecord[] }[],
): CallRecord[] {
  const booked = new Map<string, CallRecord & { readonly items: string[] }>()
  for (const { item, settled = [] } of results)
    for (const call of settled) {
      const entry = booked.get(call.id) ?? { ...call, state: 'booked', items: [] }
      booked.set(call.id, entry)
      entry.items.push(item.id)
    }
  return [...booked.values()]
}

/** The part of a prompt that its items make up. */
export function itemsShareOf({ system, user, schema }: Pick<Prompt, 'system' | 'user' | 'schema'>): number {
  let items = 0
  for (const line of user.split('\n')) if (isItemLine(line)) items += line.length
  return items / Math.max(1, system.length + user.length + JSON.stringify(schema).length)
}

/** Of each call its last record, by where it stands in the log: `records` are in the order of their partition. */
export function lastOfEach(
  records: Iterable<CallRecord>,
  last = new Map<string, CallRecord>(),
): Map<string, CallRecord> {
  for (const record of records) last.set(record.id, record)
  return last
}

export function spendingOf({ task, at_ms, inputTokens, outputTokens, costUsd: usd }: CallRecord): Spending {
  return { task, at_ms, tokens: inputTokens + outputTokens, nanousd: Math.ceil(usd * 1e9 - 1e-6) }
}

/** As schemas/call.avsc has it. */
export function callValue({ at_ms, ...call }: CallRecord): object {
  return { ...call, at: at_ms }
}

/** The reverse; undefined where it is none of ours. */
export function readCall(value: unknown): CallRecord | undefined {
  const { at, ...rest } = value as Omit<CallRecord, 'at_ms'> & { readonly at?: unknown }
  const texts = [rest.id, rest.task, rest.state, rest.purse, rest.provider, rest.model, rest.price]
  const numbers = [at, rest.inputTokens, rest.cachedInputTokens, rest.outputTokens, rest.costUsd, rest.asked]
  if (!texts.every((it) => typeof it === 'string') || !numbers.every(Number.isFinite)) return undefined
  if (!Number.isFinite(rest.aloneUsd) || !Array.isArray(rest.items)) return undefined
  return { ...rest, at_ms: at as number }
}
