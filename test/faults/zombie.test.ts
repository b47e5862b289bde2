// Promise: after B owns a partition, A commits nothing for it. Two processes freeze in the middle of a transaction, for
// longer than the group waits for them; a third takes over; then they wake up and go on where they were.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { faultAt } from '../support/fault-point.ts'
import { products } from '../support/products.ts'
import { isStopped, startSluice } from '../support/sluice.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 9_000
const MORE = 1_000

describe('two classify processes freeze past the session timeout and wake up', { skip: noStack }, () => {
  let broker: Broker
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    deployment = await createDeployment('zombie', {
      tasks: ['taxonomy'],
      settings: { kafka: { batch_records_max: 100 } },
      topics: { products: { partitions: 6 } },
    })
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
  })
  after(async () => {
    await deployment?.remove()
    await broker?.close()
  })

  test('nothing is lost, doubled or out of order, and they work again', async (t) => {
    const run = ['run', 'classify', '--config', deployment.config]
    const left = () => lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
    const zombies = [
      startSluice(run, faultAt({ request: 'TxnOffsetCommit', nth: 6, when: 'before', signal: 'SIGSTOP' })),
      startSluice(run, faultAt({ request: 'EndTxn', nth: 6, when: 'before', signal: 'SIGSTOP' })),
    ]
    await Promise.all(zombies.map(({ pid }) => eventually('frozen', 30_000, () => isStopped(pid) || undefined)))
    const frozenWith = await left()
    t.diagnostic(`both frozen in mid-transaction with ${frozenWith} of ${PRODUCTS} records left`)
    assert.ok(frozenWith > 0)

    const heir = startSluice(run)
    await finished(broker, deployment, TASKS, 'classify')
    assert.ok(heir.count('batch.committed') > 0)
    for (const zombie of zombies) zombie.signal('SIGCONT')
    await Promise.all(
      zombies.map((zombie) => zombie.until('the broken transaction', ({ event }) => event === 'transaction.failed')),
    )
    await deployment.produce('products', products(MORE, PRODUCTS))
    await finished(broker, deployment, TASKS, 'classify')

    for (const process of [...zombies, heir]) {
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.text())
    }
    const { inputs, count, aborted } = await audit(broker, deployment, TASKS, {
      finished: 'classify',
    })
    t.diagnostic(`${inputs} records: ${JSON.stringify(count)}; ${aborted} more outcomes were aborted`)
    assert.equal(count.result + count.fallback, PRODUCTS + MORE)
    assert.ok(aborted >= 2, 'the transactions of both zombies were aborted')
  })
})
