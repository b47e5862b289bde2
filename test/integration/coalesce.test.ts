// Two real processes that share nothing but Redis get the same burst of texts at once: the LLM is asked about each text once,
// both have every result, and what waited cost nothing. A lease that a busy machine lets go by costs a call and never an
// answer, so bursts are sent until one is asked about once; answers are checked for every one.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { noRedis, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'
import type { ReadRecord } from '../support/log-reader.ts'
import { isRunning, startSluice } from '../support/sluice.ts'
import type { Sluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASK = `
topic: products
entity: "{id}"
segments: { title: "{title}" }
tiers: [exact]
instruction: Choose what each product is.
`
const LABELS = { paths: [['food'], ['tools'], ['toys']] }
/** A machine with much else to do starts a process slowly. */
const START_MS = 90_000
const TEXTS = 6
const COPIES = 5
const BURSTS_MAX = 5
const CALL_MS = 1_500

const burst = (number: number) =>
  Array.from({ length: TEXTS * COPIES }, (_, at) => ({
    id: `p${number}-${at}`,
    title: `${['food', 'tools', 'toys'][at % 3]} ${number} ${at % TEXTS}`,
  }))
const valueOf = ({ value }: ReadRecord) => JSON.parse(value!.toString()) as Record<string, unknown>

describe('equal texts in flight in two processes', { skip: noStack || noRedis }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let redis: OwnRedis
  let both: { readonly deployment: TestDeployment; readonly process: Sluice }[] = []

  before(async () => {
    broker = await openBroker()
    redis = await startRedis()
    standIn = await openStandIn([CALL_MS, CALL_MS])
    const json = { format: 'json' }
    both = await Promise.all(
      ['first', 'second'].map(async (name) => {
        const deployment = await createDeployment(`coalesce-${name}`, {
          tasks: ['goods'],
          settings: {
            registry: { url: 'http://127.0.0.1:1' },
            redis: { url: redis.url },
            llm: standIn.llm,
          },
          topics: {
            products: json,
            queries: json,
            results: json,
            fallback: json,
            labels: json,
            reviews: json,
            calls: json,
          },
          files: { 'goods/task.yaml': TASK, 'goods/labels.json': JSON.stringify(LABELS) },
        })
        await deployment.apply()
        const process = startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
        await process.until('start', isRunning, START_MS)
        return { deployment, process }
      }),
    )
  })
  after(async () => {
    for (const { deployment, process } of both) {
      process.signal('SIGKILL')
      await deployment.remove()
    }
    await standIn?.stop()
    await redis?.stop()
    await broker?.close()
  })

  async function resultsOf(deployment: TestDeployment, number: number): Promise<readonly ReadRecord[]> {
    return eventually(`the results of burst ${number}`, 60_000, async () => {
      const { committed } = await broker.read([deployment.topic('results')])
      const own = committed.filter((record) => String(valueOf(record)['entity']).startsWith(`p${number}-`))
      return own.length >= TEXTS * COPIES ? own : undefined
    })
  }

  test('are asked about once; each process has all its results', async (t) => {
    for (let number = 1; ; number++) {
      const before = standIn.counters().items
      await Promise.all(both.map(({ deployment }) => deployment.produce('products', burst(number))))
      const tiers = new Map<string, number>()
      for (const { deployment } of both) {
        const results = await resultsOf(deployment, number)
        assert.equal(results.length, TEXTS * COPIES)
        for (const record of results) {
          const { entity, label, tier } = valueOf(record)
          const { title } = burst(number).find(({ id }) => id === entity)!
          assert.deepEqual(label, [title.split(' ')[0]])
          tiers.set(String(tier), (tiers.get(String(tier)) ?? 0) + 1)
        }
      }
      const asked = standIn.counters().items - before
      t.diagnostic(
        `burst ${number}: ${2 * TEXTS * COPIES} items, ${TEXTS} texts, ${asked} asked about; ${JSON.stringify([...tiers])}`,
      )
      const waited = both.some(({ process }) =>
        process.events.some(
          ({ event, where, became }) => event === 'llm.coalesced' && where === 'remote' && became === 'answered',
        ),
      )
      if (asked === TEXTS && waited) return
      assert.ok(number < BURSTS_MAX, 'no burst was asked about once')
    }
  })

  test('cost once: what waited has a label record that says so', async () => {
    const { committed } = await broker.read(both.map(({ deployment }) => deployment.topic('labels')))
    const labels = committed.map(valueOf)
    const isFree = ({ inputTokens, outputTokens, costUsd }: Record<string, unknown>) =>
      inputTokens === 0 && outputTokens === 0 && costUsd === 0
    const waited = labels.filter(({ by }) => by === 'exact')
    assert.ok(waited.length > 0 && waited.every(isFree))
    const paid = labels.filter((label) => !isFree(label))
    assert.ok(paid.every(({ by }) => by === 'llm'))
    assert.ok(paid.length > 0 && paid.length <= standIn.counters().items)
  })
})
