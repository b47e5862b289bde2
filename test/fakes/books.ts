// Books in memory: as much money as is asked for, and a ledger that keeps every record in order.
import { memoryBudget } from '../../src/adapters/memory/budget.ts'
import { random } from '../../src/core/random.ts'
import type { BudgetSettings } from '../../src/core/llm/budget.ts'
import type { CallRecord } from '../../src/core/llm/ledger.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Books } from '../../src/tiers/llm-account.ts'

export const UNBOUNDED: BudgetSettings = { minute: {}, day: {}, tasks: {} }

export interface FakeBooks extends Books {
  readonly records: CallRecord[]
  /** So many of the next writes fail. */
  outages: number
}

export function fakeBooks(clock: Clock, settings: BudgetSettings = UNBOUNDED): FakeBooks {
  let calls = 0
  const books: FakeBooks = {
    budget: memoryBudget({ settings, share: 1, clock, history: async () => [] }),
    ledger: {
      async write(call) {
        if (books.outages > 0) {
          books.outages--
          throw new Error('the fake ledger is away')
        }
        books.records.push(call)
      },
    },
    newId: () => `call-${++calls}`,
    random: random(11),
    records: [],
    outages: 0,
  }
  return books
}
