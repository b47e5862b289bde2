// Promise: what is over budget waits in Kafka, its process well and in its group; a new start earns no new money. Meanwhile
// each item has one provisional answer, which the final one replaces. No Redis: a process counts for itself, and begins with
// what the ledger says. That all is answered when there is money again: test/tiers/llm-account.test.ts.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { withinOneDay } from '../support/one-day.ts'
import { products } from '../support/products.ts'
import { startSluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 240
/** Enough for a few batches of ten, and for no more than a third of all. */
const TOKENS = 25_000
const NOTHING_IS_SURE = [1, 1, 1]

describe('the day’s budget is spent', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([5, 20])
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  test('items wait, over restarts too, and have an answer meanwhile', (t) =>
    withinOneDay(async () => {
      await deployment?.remove()
      deployment = await createDeployment('money', {
        tasks: ['taxonomy'],
        gates: { taxonomy: NOTHING_IS_SURE },
        topics: { results: { format: 'json' } },
        settings: {
          local: { workers: 1, provisional: true },
          llm: {
            ...standIn.llm,
            items_per_call_max: 5,
            calls_concurrently: 1,
            output_tokens_max: 500,
            budget: { processes_max: 1, day: { tokens: TOKENS } },
          },
        },
      })
      await deployment.apply()
      await deployment.produce('products', products(PRODUCTS))
      const charged = () => {
        const { inputTokens, outputTokens, calls } = standIn.counters()
        return { tokens: inputTokens + outputTokens, calls }
      }
      const before = charged()
      const run = () => startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
      const stop = async (process: ReturnType<typeof run>) => {
        process.signal('SIGTERM')
        assert.equal(await process.ended, 0, process.tail())
      }
      for (let start = 1; start <= 2; start++) {
        const process = run()
        const waiting = await process.until('it waits', ({ event }) => event === 'budget.waiting', 60_000)
        assert.equal(waiting['limit'], 'day')
        await finished(broker, deployment, TASKS, 'classify')
        assert.ok((await lag(broker, deployment.fallbackGroup, deployment.topic('fallback'))) > 0)
        await stop(process)
      }
      const spent = charged().tokens - before.tokens
      t.diagnostic(`${charged().calls - before.calls} calls, ${spent} of ${TOKENS} tokens`)
      assert.ok(spent > 0 && spent <= TOKENS, `${spent} of ${TOKENS}`)

      const { count } = await audit(broker, deployment, TASKS, { finished: 'classify' })
      assert.equal(count.fallback, PRODUCTS)
      assert.ok(count.result > 0 && count.result + count.review < PRODUCTS)
      const { provisional, replaced } = await spoken()
      assert.equal(provisional, PRODUCTS, 'each that waits has its answer')
      assert.equal(replaced, count.result, 'each result replaces the provisional answer that stands before it')
    }))

  /** Items with a provisional answer; results that come after theirs and name it. */
  async function spoken(): Promise<{ provisional: number; replaced: number }> {
    const { committed } = await broker.read([deployment.topic('results')])
    const provisional = new Map<string, string>()
    let replaced = 0
    for (const { headers, value } of committed) {
      const item = headers['sluice-item']!
      if (headers['sluice-outcome'] === 'provisional') {
        assert.ok(!provisional.has(item), `${item} has two`)
        provisional.set(item, headers['sluice-digest']!)
      } else if (provisional.has(item)) {
        replaced++
        assert.equal((JSON.parse(String(value)) as { supersedes: string }).supersedes, provisional.get(item))
      }
    }
    return { provisional: provisional.size, replaced }
  }
})
