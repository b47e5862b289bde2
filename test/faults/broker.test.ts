// Promise: with its dependencies healthy again, a process goes on by itself. The broker is killed and comes back, twice,
// while both roles are at work; it is a broker of this test's own.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startStack } from '../../scripts/stack/stack.ts'
import type { Stack } from '../../scripts/stack/stack.ts'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { products } from '../support/products.ts'
import { startSluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker, sleep } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 12_000
const DOWN_MS = 1_000
const ON_WITHIN_MS = 60_000

describe('the broker is killed and comes back', { skip: noStack }, () => {
  let stack: Stack
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment

  before(async () => {
    stack = await startStack()
    broker = await openBroker(stack.kafka)
    standIn = await openStandIn([5, 20])
    deployment = await createDeployment('broker', {
      tasks: ['taxonomy'],
      settings: {
        kafka: { brokers: stack.kafka, batch_records_max: 20 },
        registry: { url: stack.registry },
        llm: standIn.llm,
      },
    })
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
    await stack?.stop()
  })

  test('both roles go on by themselves, and nothing is lost or doubled', async (t) => {
    const roles = ['classify', 'fallback'].map((role) => startSluice(['run', role, '--config', deployment.config]))
    const left = () => lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
    for (const share of [0.8, 0.5]) {
      await eventually('mid-stream', 30_000, async () => (await left()) < share * PRODUCTS || undefined, 20)
      await stack.killKafka()
      await sleep(DOWN_MS)
      await stack.startKafka()
      const back = performance.now()
      const before = await left()
      await eventually('goes on', ON_WITHIN_MS, async () => (await left()) < before || undefined)
      t.diagnostic(`${before} of ${PRODUCTS} left; went on after ${Math.round(performance.now() - back)} ms`)
    }
    const [classify, fallback] = roles
    await finished(broker, deployment, TASKS, 'classify')
    for (const process of [classify!, fallback!]) {
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.tail())
    }
    const { count, aborted } = await audit(broker, deployment, TASKS, { finished: 'classify' })
    t.diagnostic(`${JSON.stringify(count)}; ${aborted} more outcomes were aborted`)
  })
})
