// What the LLM cost, by task, tier, model or day, and what the same items would have cost without Sluice: every one of them
// asked alone, each time, with the prompts that were used, at the mean cost of the items of its task that were asked.
import type { CallRecord } from './ledger.ts'

export const COST_BY = ['task', 'tier', 'model', 'day'] as const
export type CostBy = (typeof COST_BY)[number]

/** Items that ended as a result or a review; tier `review` for the latter. */
export interface EndedItems {
  readonly task: string
  readonly tier: string
  /** YYYY-MM-DD, UTC. */
  readonly day: string
  readonly items: number
}

export interface CostRow {
  readonly name: string
  /** Items that ended; by model, those that ended with a call to it. */
  readonly items: number
  /** Calls that a provider answered, and those of which nobody knows. */
  readonly calls: number
  /** Of them those of which nobody knows: they stand at the most they can have cost. */
  readonly unknown: number
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  /** US dollars. */
  readonly usd: number
  /** US dollars; undefined where no item of a task was asked yet, and by model: others would not have been asked of it. */
  readonly withoutUsd: number | undefined
}

export interface CostReport {
  /** Largest cost first; days in their order. */
  readonly rows: readonly CostRow[]
  readonly total: CostRow
}

type Sums = { -readonly [Key in keyof CostRow]: CostRow[Key] }

export function dayOf(at_ms: number): string {
  return new Date(at_ms).toISOString().slice(0, 10)
}

export function costReport(by: CostBy, calls: readonly CallRecord[], ended: readonly EndedItems[]): CostReport {
  const alone = aloneUsd(calls)
  const rows = new Map<string, Sums>()
  const total = empty('all')
  const rowOf = (name: string) => rows.get(name) ?? rows.set(name, empty(name)).get(name)!
  const sums = (name: string) => [rowOf(name), total]

  for (const call of calls) {
    if (call.state === 'failed') continue
    for (const row of sums(by === 'tier' ? 'llm' : by === 'day' ? dayOf(call.at_ms) : call[by])) {
      row.calls++
      if (call.state === 'reserved') row.unknown++
      row.inputTokens += call.inputTokens
      row.cachedInputTokens += call.cachedInputTokens
      row.outputTokens += call.outputTokens
      row.usd += call.costUsd
    }
  }
  for (const { task, tier, day, items } of ended) {
    const mean = alone.get(task)
    for (const row of by === 'model' ? [total] : sums({ task, tier, day }[by])) {
      row.items += items
      row.withoutUsd = mean === undefined || row.withoutUsd === undefined ? undefined : row.withoutUsd + items * mean
    }
  }
  if (by === 'model')
    for (const [name, row] of rows) {
      row.items = new Set(calls.flatMap(({ model, items }) => (model === name ? items : []))).size
      row.withoutUsd = undefined
    }
  const order = (a: CostRow, b: CostRow) =>
    by === 'day' ? (a.name < b.name ? -1 : 1) : b.usd - a.usd || b.items - a.items
  return { rows: [...rows.values()].sort(order), total }
}

function empty(name: string): Sums {
  const counts = { items: 0, calls: 0, unknown: 0, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }
  return { name, ...counts, usd: 0, withoutUsd: 0 }
}

/** By task: mean US dollars of an item asked alone. An item that took several calls would have taken them alone, too. */
function aloneUsd(calls: readonly CallRecord[]): ReadonlyMap<string, number> {
  const byTask = Map.groupBy(
    calls.filter(({ state }) => state === 'booked'),
    ({ task }) => task,
  )
  return new Map(
    [...byTask].map(([task, booked]) => {
      const items = new Set(booked.flatMap((call) => call.items))
      const usd = booked.reduce((sum, { items, aloneUsd, asked }) => sum + (items.length * aloneUsd) / asked, 0)
      return [task, usd / items.size]
    }),
  )
}
