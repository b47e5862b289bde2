// Promise: partitions change hands and nothing is lost, doubled or out of order. Processes join and leave, well or not,
// while a stream flows, so that batches are in hand at every rebalance.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { products } from '../support/products.ts'
import { startSluice } from '../support/sluice.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS_MAX = 60_000
const A_SECOND = 600
const GUESTS = 5

describe('processes join and leave under load', { skip: noStack }, () => {
  let broker: Broker
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    deployment = await createDeployment('churn', {
      tasks: ['taxonomy'],
      topics: { products: { partitions: 6 } },
      withoutModel: true,
    })
    await deployment.apply()
  })
  after(async () => {
    await deployment?.remove()
    await broker?.close()
  })

  test('every input offset has exactly one outcome', async (t) => {
    const run = () => startSluice(['run', 'classify', '--config', deployment.config])
    const host = run()
    const began = performance.now()
    const enough = new AbortController()
    const flow = deployment.trickle('products', products(PRODUCTS_MAX), A_SECOND, enough.signal)
    for (let guest = 0; guest < GUESTS; guest++) {
      const process = run()
      await process.until('a partition of its own', ({ event }) => event === 'partition.claimed')
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.tail())
    }
    t.diagnostic(`${GUESTS} guests in ${Math.round(performance.now() - began)} ms`)
    enough.abort()
    await flow
    await finished(broker, deployment, TASKS, 'classify')
    host.signal('SIGTERM')
    assert.equal(await host.ended, 0, host.tail())
    const { inputs, count, aborted } = await audit(broker, deployment, TASKS, { finished: 'classify' })
    t.diagnostic(`${inputs} records: ${JSON.stringify(count)}; ${aborted} more outcomes were aborted`)
    assert.ok(inputs < PRODUCTS_MAX, 'there was load until the last one left')
    assert.equal(count.fallback, inputs)
  })
})
