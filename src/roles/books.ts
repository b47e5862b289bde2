// Who pays for calls to the LLM, and where that is written down. Wiring only.
import { randomUUID } from 'node:crypto'
import { memoryBudget } from '../adapters/memory/budget.ts'
import { redisBudget } from '../adapters/redis/budget.ts'
import { redisServer } from '../adapters/redis/server.ts'
import { sharesOf, unpriced } from '../core/llm/budget.ts'
import { spendingOf } from '../core/llm/ledger.ts'
import { createCallWriter } from '../engine/calls.ts'
import type { CallWriter } from '../engine/calls.ts'
import type { History } from '../ports/budget.ts'
import { silent } from '../ports/events.ts'
import type { Books } from '../tiers/llm-account.ts'
import { openLedger, readCalls } from './ledger.ts'
import type { Runtime } from './runtime.ts'

/** Who waits asks again within seconds; who does not was stopped, or its partition is another's now. */
const WAITS_MS = 10_000

export interface OpenBooks extends Books {
  /** Books calls with their outcomes. */
  readonly calls: CallWriter
  /** What calls wait for, for people; empty when all is well. */
  degraded(): readonly string[]
  close(): Promise<void>
}

export function openBooks({ config, client, codec, clock, emit, topicName }: Runtime): OpenBooks {
  const topic = topicName('calls')
  const settings = config.llm.budget
  const { url } = config.redis
  const { shared, own } = sharesOf(url !== '', settings.processes_max)
  let unread = false
  const history: History = async (purse, since_ms) => {
    try {
      const calls = await readCalls(client, topic, codec, since_ms)
      unread = false
      return calls.filter((call) => call.purse === purse).map(spendingOf)
    } catch (error) {
      if (!unread) emit('ledger.failed', { task: 'all', record: 'history', detail: (error as Error).message })
      unread = true
      throw error
    }
  }
  for (const provider of unpriced(settings, config.llm.providers)) emit('budget.unpriced', { provider })
  const alone = memoryBudget({ settings, share: own, history, clock })
  // A connection of its own: a Redis too full to count is not too full to be read by the caches.
  const redis = url === '' ? undefined : redisServer({ url, clock, emit: silent })
  const scope = `sluice:budget:${config.kafka.group_prefix}`
  const ledger = openLedger(client, topic, codec)
  const budget = redis
    ? redisBudget(redis, { settings, share: shared, scope, history, own: alone, clock, emit })
    : alone
  const waiting = new Map<string, { readonly limit: string; readonly at: number }>()
  return {
    budget: {
      async reserve(task, most) {
        const said = await budget.reserve(task, most)
        if (said.kind === 'over') waiting.set(task, { limit: said.limit, at: clock.elapsed() })
        else waiting.delete(task)
        return said
      },
    },
    degraded: () =>
      [...waiting]
        .filter(([, { at }]) => clock.elapsed() - at < WAITS_MS)
        .map(([task, { limit }]) => `calls of ${task} wait for the budget (${limit})`),
    ledger,
    calls: createCallWriter(topic, codec),
    newId: randomUUID,
    random: Math.random,
    async close() {
      redis?.close()
      await ledger.close()
    },
  }
}
