// Promise: SIGTERM drains. A process under load ends with 0 within 20 s, what it has committed is whole, and the next one
// goes on where it stopped. Both roles, so that items are in flight on every topic.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { products } from '../support/products.ts'
import { isRunning, startSluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker, sleep } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 4_000
const STOPS = 3
const DRAINED_WITHIN_MS = 20_000
const FEW = 20
const JOINING_MS = 1_000
const AT_WORK_WITHIN_MS = 30_000

describe('a process gets SIGTERM under load', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([200, 300])
    deployment = await createDeployment('drain', {
      tasks: ['taxonomy'],
      settings: {
        kafka: { batch_records_max: 50 },
        llm: { ...standIn.llm, items_per_call_max: 10 },
      },
    })
    await deployment.apply()
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  test(`${STOPS} times in a row it ends with 0 in time, and nothing is lost or doubled`, async (t) => {
    const run = ['run', 'classify', 'fallback', '--config', deployment.config]
    const left = async () => {
      const classify = await lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
      return { classify, fallback: await lag(broker, deployment.fallbackGroup, deployment.topic('fallback')) }
    }
    let made = 0
    const feed = (count: number) => deployment.produce('products', products(count, (made += count) - count))
    for (let stop = 1; stop <= STOPS; stop++) {
      const process = startSluice(run)
      await feed(FEW)
      await process.until('the fallback role at work', ({ event }) => event === 'llm.called')
      const before = await left()
      await feed(PRODUCTS)
      const isAtWork = async () => (await left()).fallback > before.fallback || undefined
      await eventually('the classify role at work', AT_WORK_WITHIN_MS, isAtWork)
      const asked = performance.now()
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.tail())
      const took_ms = performance.now() - asked
      assert.ok(took_ms < DRAINED_WITHIN_MS, `it took ${took_ms} ms`)
      assert.ok(process.events.some(({ event, state }) => event === 'lifecycle.changed' && state === 'stopped'))
      const now = await left()
      t.diagnostic(`ended in ${Math.round(took_ms)} ms; left: ${JSON.stringify(now)}`)
      assert.ok(now.fallback > 0, 'it was under load')
      await audit(broker, deployment, TASKS, { finished: 'none' })
    }
    const last = startSluice(['run', 'classify', '--config', deployment.config])
    await finished(broker, deployment, TASKS, 'classify')
    last.signal('SIGTERM')
    assert.equal(await last.ended, 0, last.tail())
    const { count } = await audit(broker, deployment, TASKS, { finished: 'classify' })
    t.diagnostic(JSON.stringify(count))
  })
})

describe('a process gets SIGTERM while the group keeps it waiting', { skip: noStack }, () => {
  let deployment: TestDeployment
  before(async () => {
    deployment = await createDeployment('waiting', {
      tasks: ['taxonomy'],
      settings: { kafka: { session_timeout_ms: 60_000 } },
    })
    await deployment.apply()
  })
  after(() => deployment?.remove())

  test('it ends with 0 in time, though a member that is frozen never answers', async (t) => {
    const run = ['run', 'classify', '--config', deployment.config]
    const frozen = startSluice(run)
    await deployment.produce('products', products(FEW))
    await frozen.until('its first partition', ({ event }) => event === 'partition.claimed')
    frozen.signal('SIGSTOP')
    const waiting = startSluice(run)
    await waiting.until('start', isRunning)
    await sleep(JOINING_MS)
    const asked = performance.now()
    waiting.signal('SIGTERM')
    assert.equal(await waiting.ended, 0, waiting.tail())
    t.diagnostic(`ended in ${Math.round(performance.now() - asked)} ms`)
    assert.equal(waiting.count('partition.claimed'), 0, 'it was still waiting')
    frozen.signal('SIGKILL')
    await frozen.ended
  })
})
