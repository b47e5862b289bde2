// Promise: no state of Redis fails or changes a classification. Redis is killed while a run is under way, and comes back
// in it; what came out is held against a run that had no Redis at all, item by item.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment, ROOT } from '../support/deployment.ts'
import type { DeploymentOptions, TestDeployment } from '../support/deployment.ts'
import type { ReadRecord } from '../support/log-reader.ts'
import { products } from '../support/products.ts'
import { noRedis, startRedis } from '../support/redis.ts'
import { startSluice } from '../support/sluice.ts'
import type { LogEvent } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 12_000
const KNOWN = 300
/** Thresholds that let about half of the items through to results. */
const HALF_LOCAL = [0.5, 0.4, 0.3]
const noModel: false | string = existsSync(join(ROOT, 'models', 'taxonomy', 'champion'))
  ? false
  : 'models/taxonomy has no champion: there are no local answers to compare'

describe('Redis is killed in mid-run', { skip: noStack || noRedis }, () => {
  let broker: Broker
  const made: TestDeployment[] = []

  before(async () => {
    broker = await openBroker()
  })
  after(async () => {
    for (const deployment of made) await deployment.remove()
    await broker?.close()
  })

  /** Results in JSON, so that a test can read labels without our codec. */
  async function deploy(settings: DeploymentOptions['settings'], withoutModel = false): Promise<TestDeployment> {
    const deployment = await createDeployment('redis', {
      tasks: ['taxonomy'],
      settings: settings!,
      topics: { results: { format: 'json' } },
      gates: { taxonomy: HALF_LOCAL },
      withoutModel,
    })
    made.push(deployment)
    await deployment.apply()
    return deployment
  }
  const left = (deployment: TestDeployment) =>
    lag(broker, deployment.classifyGroup('taxonomy'), deployment.topic('products'))
  const classify = (deployment: TestDeployment) => startSluice(['run', 'classify', '--config', deployment.config])

  test('every item ends as it does without Redis', { skip: noModel }, async (t) => {
    const kafka = { batch_records_max: 100 }
    const plain = await deploy({ kafka, redis: { url: '' } })
    await plain.produce('products', products(PRODUCTS))
    const alone = classify(plain)
    await finished(broker, plain, TASKS, 'classify')
    alone.signal('SIGTERM')
    await alone.ended
    const without = endings((await audit(broker, plain, TASKS, { finished: 'classify' })).outcomes)

    const redis = await startRedis()
    const cached = await deploy({ kafka, redis: { url: redis.url } })
    await cached.produce('products', products(PRODUCTS))
    const process = classify(cached)
    await eventually(
      'a third of the run',
      30_000,
      async () => (await left(cached)) < (2 * PRODUCTS) / 3 || undefined,
      10,
    )
    redis.signal('SIGKILL')
    await process.until('Redis is missed', ({ event }) => event === 'cache.failed')
    const missing = await left(cached)
    assert.ok(missing > 0, 'in mid-run')
    await eventually('a part without Redis', 30_000, async () => (await left(cached)) < missing / 2 || undefined, 10)
    const again = await startRedis(redis.port)
    await finished(broker, cached, TASKS, 'classify')
    process.signal('SIGTERM')
    assert.equal(await process.ended, 0, process.tail())
    await redis.stop()
    await again.stop()

    const { outcomes, count } = await audit(broker, cached, TASKS, { finished: 'classify' })
    t.diagnostic(`${JSON.stringify(count)}; Redis was killed with ${missing} of ${PRODUCTS} records left`)
    assert.ok(count.result > PRODUCTS / 10, 'enough local answers to compare')
    assert.deepEqual(differences(endings(outcomes), without), [])
  })

  test('items that only Redis had an answer for are asked again, and end with the same label', async (t) => {
    const standIn = await openStandIn([5, 10])
    const redis = await startRedis()
    const deployment = await deploy(
      {
        kafka: { batch_records_max: 10 },
        redis: { url: redis.url },
        llm: standIn.llm,
      },
      true,
    )
    const run = () => startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
    const known = products(KNOWN)
    await deployment.produce('products', known)
    const first = run()
    await finished(broker, deployment, TASKS, 'all')
    first.signal('SIGTERM')
    await first.ended

    await deployment.produce(
      'products',
      known.map((product) => ({ ...product, id: `again-${product.id}` })),
    )
    const second = run()
    await second.until('some answers from Redis', isHit)
    redis.signal('SIGKILL')
    await finished(broker, deployment, TASKS, 'all')
    second.signal('SIGTERM')
    assert.equal(await second.ended, 0, second.tail())
    await redis.stop()
    await standIn.stop()

    const { outcomes, count } = await audit(broker, deployment, TASKS, { finished: 'all' })
    t.diagnostic(`${JSON.stringify(count)}; ${second.count('cache.failed')} times Redis was missed`)
    assert.ok(
      count.fallback > KNOWN && count.fallback < 2 * KNOWN,
      'the second time some came from Redis, some did not',
    )
    assert.equal(count.result, 2 * KNOWN)
    const labels = new Map<string, Set<string>>()
    for (const { key, value } of outcomes.filter(isResult)) {
      const product = key!.replace('again-', '')
      labels.set(product, (labels.get(product) ?? new Set()).add(labelOf(value)))
    }
    assert.deepEqual(
      [...labels].filter(([, said]) => said.size !== 1),
      [],
    )
    assert.equal(labels.size, KNOWN)
  })
})

const isHit = ({ event, tier }: LogEvent): boolean => event === 'outcome.decided' && tier === 'exact'
const isResult = ({ headers }: ReadRecord): boolean => headers['sluice-outcome'] === 'result'
const labelOf = (value: Buffer | null): string => (JSON.parse(String(value)) as { label: string[] }).label.join(' > ')

/** What each item ended as, by its place in the input topic, which is the same in every deployment. */
function endings(outcomes: readonly ReadRecord[]): Map<string, string> {
  return new Map(
    outcomes.map((record) => {
      const { 'sluice-item': item, 'sluice-outcome': outcome } = record.headers
      const ending = isResult(record) ? labelOf(record.value) : outcome!
      return [item!.split('/').slice(1).join('/'), ending]
    }),
  )
}

function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  const items = new Set([...one.keys(), ...other.keys()])
  return [...items]
    .filter((item) => one.get(item) !== other.get(item))
    .map((item) => `${item}: ${one.get(item)} instead of ${other.get(item)}`)
    .slice(0, 5)
}
