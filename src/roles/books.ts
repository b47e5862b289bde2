// Who pays for calls to the LLM, and where that is written down. Wiring only.
import { randomUUID } from 'node:crypto'
import { memoryBudget } from '../adapters/memory/budget.ts'
import { redisBudget } from '../adapters/redis/budget.ts'
import { redisServer } from '../adapters/redis/server.ts'
import { sharesOf } from '../core/llm/budget.ts'
import { spendingOf } from '../core/llm/ledger.ts'
import { createCallWriter } from '../engine/calls.ts'
import type { CallWriter } from '../engine/calls.ts'
import type { History } from '../ports/budget.ts'
import { silent } from '../ports/events.ts'
import type { Books } from '../tiers/llm-account.ts'
import { openLedger, readCalls } from './ledger.ts'
import type { Runtime } from './runtime.ts'

export interface OpenBooks extends Books {
  /** Books calls with their outcomes. */
  readonly calls: CallWriter
  close(): Promise<void>
}

export function openBooks({ config, client, codec, clock, emit, topicName }: Runtime): OpenBooks {
  const topic = topicName('calls')
  const settings = config.llm.budget
  const { url } = config.redis
  const { shared, own } = sharesOf(url !== '', settings.processes_max)
  const history: History = async (purse, since_ms) =>
    (await readCalls(client, topic, codec, since_ms)).filter((call) => call.purse === purse).map(spendingOf)
  const alone = memoryBudget({ settings, share: own, history, clock })
  // A connection of its own: a Redis too full to count is not too full to be read by the caches.
  const redis = url === '' ? undefined : redisServer({ url, clock, emit: silent })
  const scope = `sluice:budget:${config.kafka.group_prefix}`
  const ledger = openLedger(client, topic, codec)
  return {
    budget: redis ? redisBudget(redis, { settings, share: shared, scope, history, own: alone, clock, emit }) : alone,
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
