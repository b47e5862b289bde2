// The budget port in one process. It begins with what the ledger says was spent: an end and a new start earn no new money.
import { allLimits, current, fits, limitsOf, NOTHING, tally, windowOf } from '../../core/llm/budget.ts'
import type { Amount, BudgetSettings, Limit, Spent } from '../../core/llm/budget.ts'
import type { Budget, History, Reserved } from '../../ports/budget.ts'
import type { Clock } from '../../ports/clock.ts'

/** Where what is spent so far cannot be read yet, nothing is. */
const HISTORY_RETRY_MS = 1_000

export interface MemoryBudgetOptions {
  readonly settings: BudgetSettings
  /** Part of the budget, in (0, 1], that is this process's own. */
  readonly share: number
  readonly history: History
  readonly clock: Clock
}

export function memoryBudget({ settings, share, history, clock }: MemoryBudgetOptions): Budget {
  const counters = new Map<string, Spent>()
  let opened: Promise<boolean> | undefined

  /** Once; false where the history cannot be read, and then the next one tries again. */
  async function open(): Promise<boolean> {
    const limits = allLimits(settings, share)
    const now = clock.now()
    try {
      const since_ms = Math.min(...limits.map((limit) => windowOf(limit, now) * limit.window_ms))
      const spendings = await history('own', since_ms)
      for (const limit of limits) counters.set(limit.name, tally(limit, spendings, now))
      return true
    } catch {
      opened = undefined
      return false
    }
  }

  return {
    async reserve(task, most) {
      const limits = limitsOf(settings, task, share)
      if (limits.length > 0 && !(await (opened ??= open())))
        return { kind: 'over', limit: 'ledger', wait_ms: HISTORY_RETRY_MS, never: false }
      const now = clock.now()
      const held = limits.map((limit) => ({ limit, spent: current(limit, counters.get(limit.name), now) }))
      const refuses = held.find(({ limit, spent }) => !fits(limit, spent, most))
      if (refuses) return over(refuses.limit, refuses.spent, most, now)
      for (const { limit, spent } of held) counters.set(limit.name, add(spent, most))
      return {
        kind: 'reserved',
        purse: 'own',
        stands: async () => true,
        settle: async (actual) => {
          const change = { tokens: actual.tokens - most.tokens, nanousd: actual.nanousd - most.nanousd }
          for (const { limit, spent } of held) {
            const now = counters.get(limit.name)!
            if (now.window === spent.window) counters.set(limit.name, add(now, change))
          }
        },
      }
    },
  }
}

function over(limit: Limit, { window }: Spent, most: Amount, now_ms: number): Reserved {
  const wait_ms = Math.max(1, (window + 1) * limit.window_ms - now_ms)
  return { kind: 'over', limit: limit.name, wait_ms, never: !fits(limit, NOTHING, most) }
}

function add(spent: Spent, { tokens, nanousd }: Amount): Spent {
  return { ...spent, tokens: spent.tokens + tokens, nanousd: spent.nanousd + nanousd }
}
