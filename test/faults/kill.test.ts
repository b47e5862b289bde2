// Promise: for every input offset below the committed one there is exactly one outcome, whatever moment a classify
// process is killed at. Three kills at the points of a transaction where it hurts most, each in mid-stream.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { faultAt } from '../support/fault-point.ts'
import type { FaultPoint } from '../support/fault-point.ts'
import { products } from '../support/products.ts'
import { isRunning, startSluice } from '../support/sluice.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 20_000
const FEW = 3_000
/** After which request the process dies: outcomes sent; offsets sent too; the end asked for, its answer never read. */
const KILLS: readonly FaultPoint[] = [
  { request: 'Produce', nth: 14, when: 'after', signal: 'SIGKILL' },
  { request: 'EndTxn', nth: 17, when: 'before', signal: 'SIGKILL' },
  { request: 'EndTxn', nth: 19, when: 'after', signal: 'SIGKILL' },
]

describe('a classify process is killed three times in mid-stream', { skip: noStack }, () => {
  let broker: Broker
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    deployment = await createDeployment('kill', {
      tasks: ['taxonomy'],
      gates: { taxonomy: [0.5, 0.4, 0.3] }, // about half of the items end as results, half go to the fallback
      settings: { kafka: { batch_records_max: 200 } },
    })
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
  })
  after(async () => {
    await deployment?.remove()
    await broker?.close()
  })

  test('every input offset has exactly one outcome', async (t) => {
    const run = ['run', 'classify', '--config', deployment.config]
    const left = () => lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
    let before = PRODUCTS
    for (const kill of KILLS) {
      const process = startSluice(run, faultAt(kill))
      assert.equal(await process.ended, 'SIGKILL', process.tail())
      const now = await left()
      t.diagnostic(`killed ${kill.when} ${kill.request} ${kill.nth}: ${now} of ${PRODUCTS} records left`)
      assert.ok(now > 0 && now < before, 'the kill fell in mid-stream')
      before = now
    }
    const last = startSluice(run)
    await last.until('start', isRunning)
    await finished(broker, deployment, TASKS, 'classify')
    last.signal('SIGTERM')
    assert.equal(await last.ended, 0, last.tail())

    const { inputs, count, aborted } = await audit(broker, deployment, TASKS, { finished: 'classify' })
    t.diagnostic(`${inputs} records: ${JSON.stringify(count)}; ${aborted} more outcomes were aborted with their kills`)
    assert.equal(inputs, PRODUCTS)
    assert.equal(count.result + count.fallback, PRODUCTS)
    assert.ok(aborted > 0, 'at least one kill fell between sending outcomes and committing them')
  })
})

test(
  'delivered at least once, a kill loses nothing and may repeat outcomes, with the same ids',
  { skip: noStack },
  async (t) => {
    const broker = await openBroker()
    t.after(() => broker.close())
    const settings = { delivery: 'at_least_once', kafka: { batch_records_max: 100 } }
    const deployment = await createDeployment('repeat', { tasks: ['taxonomy'], settings, withoutModel: true })
    t.after(() => deployment.remove())
    await deployment.apply()
    await deployment.produce('products', products(FEW))
    const run = ['run', 'classify', '--config', deployment.config]
    const killed = startSluice(run, faultAt({ request: 'Produce', nth: 12, when: 'after', signal: 'SIGKILL' }))
    assert.equal(await killed.ended, 'SIGKILL', killed.tail())
    const last = startSluice(run)
    await finished(broker, deployment, TASKS, 'classify')
    last.signal('SIGTERM')
    assert.equal(await last.ended, 0, last.tail())

    const { outcomes } = await audit(broker, deployment, TASKS, { finished: 'classify', delivery: 'at_least_once' })
    const ids = new Set(outcomes.map(({ headers }) => headers['sluice-item']))
    t.diagnostic(`${outcomes.length - ids.size} outcomes of ${FEW} came twice`)
    assert.equal(ids.size, FEW)
    assert.ok(outcomes.length > FEW, 'the kill fell between sending outcomes and committing the offset')
  },
)
