// What the tests of budgets share.
import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import type { BudgetSettings } from '../../src/core/llm/budget.ts'
import type { Budget, Reserved } from '../../src/ports/budget.ts'

/** The limit that NOBODY names. */
export const ASKED_ALONE = 'nobody'

export const NOBODY: Budget = { reserve: async () => ({ kind: 'over', limit: ASKED_ALONE, wait_ms: 1, never: false }) }

/** Never late: this is about what is counted; a slow machine is the business of the other tests. */
export function patiently(url: string) {
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  return {
    read: async (_keys: number, commands: (redis: Redis) => readonly Promise<unknown>[]) => {
      await Promise.all(commands(redis))
      return 'done' as const
    },
    write: async (_entries: number, commands: (redis: Redis) => readonly Promise<unknown>[]) =>
      void (await Promise.all(commands(redis))),
    deadline_ms: Infinity,
    ready: async () => true,
    healthy: () => true,
    close: () => redis.disconnect(),
    redis,
  }
}

export const DAY = (tokens: number, usd?: number): BudgetSettings => ({ minute: {}, day: { tokens, usd }, tasks: {} })
export const amount = (tokens: number) => ({ tokens, nanousd: tokens * 1_000 })
export function granted(said: Reserved): Extract<Reserved, { kind: 'reserved' }> {
  assert.ok(said.kind === 'reserved', JSON.stringify(said))
  return said
}
