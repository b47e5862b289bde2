// Promise: after B owns a partition, A commits nothing for it. Processes freeze in the middle of a transaction, for longer
// than the group waits for them; another one takes over; then they wake up and go on where they were.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import { faultAt } from '../support/fault-point.ts'
import type { FaultPoint } from '../support/fault-point.ts'
import { products } from '../support/products.ts'
import { isStopped, startSluice } from '../support/sluice.ts'
import type { LogEvent, Sluice } from '../support/sluice.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 9_000
const MORE = 1_000

describe('a classify process freezes past the session timeout and wakes up', { skip: noStack }, () => {
  let broker: Broker
  before(async () => {
    broker = await openBroker()
  })
  after(() => broker?.close())

  async function world(t: TestContext) {
    const deployment = await createDeployment('zombie', {
      tasks: ['taxonomy'],
      settings: { kafka: { batch_records_max: 100 } },
      topics: { products: { partitions: 6 } },
    })
    t.after(() => deployment.remove())
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
    const run = (fault?: FaultPoint) =>
      startSluice(['run', 'classify', '--config', deployment.config], fault && faultAt(fault))
    const frozen = ({ pid }: Sluice) => eventually('frozen', 30_000, () => isStopped(pid) || undefined)
    const end = async (process: Sluice) => {
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.tail())
    }
    return { deployment, run, frozen, end }
  }

  test('two of them in mid-transaction: nothing is lost, doubled or out of order, and they work again', async (t) => {
    const { deployment, run, frozen, end } = await world(t)
    const left = () => lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
    const zombies = [
      run({ request: 'TxnOffsetCommit', nth: 6, when: 'before', signal: 'SIGSTOP' }),
      run({ request: 'EndTxn', nth: 6, when: 'before', signal: 'SIGSTOP' }),
    ]
    await Promise.all(zombies.map(frozen))
    const frozenWith = await left()
    t.diagnostic(`both frozen in mid-transaction with ${frozenWith} of ${PRODUCTS} records left`)
    assert.ok(frozenWith > 0)

    const heir = run()
    await finished(broker, deployment, TASKS, 'classify')
    assert.ok(heir.count('batch.committed') > 0)
    for (const zombie of zombies) zombie.signal('SIGCONT')
    const broke = ({ event }: LogEvent) => event === 'transaction.failed'
    await Promise.all(zombies.map((zombie) => zombie.until('the broken transaction', broke)))
    await deployment.produce('products', products(MORE, PRODUCTS))
    await finished(broker, deployment, TASKS, 'classify')

    for (const process of [...zombies, heir]) await end(process)
    const { inputs, count, aborted } = await audit(broker, deployment, TASKS, { finished: 'classify' })
    t.diagnostic(`${inputs} records: ${JSON.stringify(count)}; ${aborted} more outcomes were aborted`)
    assert.equal(count.result + count.fallback, PRODUCTS + MORE)
    assert.ok(aborted >= 2, 'the transactions of both zombies were aborted')
  })

  test('its commit arrives after its heir has read where to go on, and before the heir claims: it is heeded', async (t) => {
    const { deployment, run, frozen, end } = await world(t)
    const zombie = run({ request: 'EndTxn', nth: 6, when: 'before', signal: 'SIGSTOP' })
    await frozen(zombie)
    const heir = run({ request: 'InitProducerId', nth: 1, when: 'before', signal: 'SIGSTOP' })
    await frozen(heir)
    const commits = zombie.count('batch.committed')
    zombie.signal('SIGCONT')
    await eventually('its commit', 10_000, () => zombie.count('batch.committed') > commits || undefined)
    heir.signal('SIGCONT')
    await finished(broker, deployment, TASKS, 'classify')

    for (const process of [zombie, heir]) await end(process)
    const { count } = await audit(broker, deployment, TASKS, { finished: 'classify' })
    assert.equal(count.result + count.fallback, PRODUCTS)
  })
})
