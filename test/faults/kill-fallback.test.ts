// Promise: an item that was sent to the fallback ends once, with one label, whatever moment a process is killed at. Both
// roles are killed in the middle of transactions: what classify took back is not answered, what the fallback role had
// asked the LLM is asked again and written once.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { faultAt } from '../support/fault-point.ts'
import type { FaultPoint } from '../support/fault-point.ts'
import { products } from '../support/products.ts'
import { startSluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 800

describe('both roles are killed in mid-stream', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([5, 20])
    deployment = await createDeployment('both', {
      tasks: ['taxonomy'],
      withoutModel: true,
      settings: {
        kafka: { batch_records_max: 20 },
        llm: {
          ...standIn.llm,
          items_per_call_max: 10,
          calls_concurrently: 2,
        },
      },
    })
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  test('every item ends once, with one label', async (t) => {
    const run = (role: string, fault?: FaultPoint) =>
      startSluice(['run', role, '--config', deployment.config], fault && faultAt(fault))
    const first = [
      run('classify', { request: 'EndTxn', nth: 10, when: 'before', signal: 'SIGKILL' }),
      run('fallback', { request: 'EndTxn', nth: 3, when: 'before', signal: 'SIGKILL' }),
    ]
    for (const process of first) assert.equal(await process.ended, 'SIGKILL', process.tail())
    const second = [
      run('classify', { request: 'Produce', nth: 12, when: 'after', signal: 'SIGKILL' }),
      run('fallback', { request: 'EndTxn', nth: 4, when: 'after', signal: 'SIGKILL' }),
    ]
    for (const process of second) assert.equal(await process.ended, 'SIGKILL', process.tail())
    const last = [run('classify'), run('fallback')]
    await finished(broker, deployment, TASKS, 'all')
    for (const process of last) {
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.tail())
    }

    const { count, aborted } = await audit(broker, deployment, TASKS, { finished: 'all' })
    t.diagnostic(`${JSON.stringify(count)}; ${aborted} more records were aborted`)
    assert.equal(count.fallback, PRODUCTS)
    assert.equal(count.result + count.review, PRODUCTS)
    assert.ok(aborted > 0)
  })
})
