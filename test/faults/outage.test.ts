// Promise: while the LLM answers 500 nothing is lost, nobody hammers at it, no heap grows, the stream flows on
// and a process can still be stopped; when it is back, what waited in Kafka drains. SLUICE_TEST_OUTAGE_S makes it shorter or
// longer; bench/outage measures how fast the stream is meanwhile.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BREAKER_DEFAULTS } from '../../src/adapters/breaker/breaker.ts'
import { audit, finished, lag } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { products } from '../support/products.ts'
import { HEAP, metric } from '../support/metrics.ts'
import { freePort } from '../../scripts/stack/ports.ts'
import { startSluice } from '../support/sluice.ts'
import type { LogEvent, Sluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { noStack, openBroker, sleep } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const OUTAGE_MS = Number(process.env['SLUICE_TEST_OUTAGE_S'] ?? 40) * 1_000
const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const RESET_MS = 5_000
/** What is promised of a whole process, old and new generation. */
const HEAP_GROWTH_MAX = 64 * 2 ** 20
const HEAP_EVERY_MS = 1_000
const CALLS_CONCURRENTLY = 4
/** Few, because the breaker opens when half of the calls it remembers have failed. */
const BEFORE = 3
const DURING = 900

describe(`the LLM answers 500 for ${OUTAGE_MS / 1_000} s`, { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([50, 100])
    deployment = await createDeployment('outage', {
      tasks: ['taxonomy'],
      withoutModel: true,
      settings: {
        llm: {
          ...standIn.llm,
          calls_concurrently: CALLS_CONCURRENTLY,
          breaker_reset_ms: RESET_MS,
        },
        http: { port: '${SLUICE_HTTP_PORT:-0}' },
      },
    })
    await deployment.apply()
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  async function start(role: string) {
    const port = await freePort()
    const process = startSluice(['run', role, '--config', deployment.config], {
      env: { SLUICE_HTTP_PORT: String(port) },
    })
    return { ...process, heap: () => metric(port, HEAP) }
  }

  /** Waits, while at most one probe a reset interval may come in, beside what was on its way already, and no heap grows. */
  async function probesFor(duration_ms: number, processes: readonly Started[]): Promise<string> {
    const before = standIn.counters().calls
    const heaps = () => Promise.all(processes.map(({ heap }) => heap()))
    const [first, ends] = [await heaps(), performance.now() + duration_ms]
    const most = first.slice()
    while (performance.now() < ends) {
      await sleep(Math.max(0, Math.min(HEAP_EVERY_MS, ends - performance.now())))
      for (const [at, heap] of (await heaps()).entries()) most[at] = Math.max(most[at]!, heap)
    }
    const growth = most.map((heap, at) => heap - first[at]!)
    assert.ok(Math.max(...growth) <= HEAP_GROWTH_MAX, `heaps grew by ${growth.join(', ')} bytes`)
    const probes = standIn.counters().calls - before
    const limit = Math.ceil(duration_ms / RESET_MS) + CALLS_CONCURRENTLY
    assert.ok(probes <= limit, `${probes} calls in ${duration_ms} ms of an open breaker`)
    const grown = growth.map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`)
    return `${probes} probes in ${Math.round(duration_ms / 1_000)} s; heaps above the first reading by at most ${grown.join(', ')}`
  }

  test('nothing is lost, probes are few, the stream flows on, and the backlog drains', async (t) => {
    const unasked = () => lag(broker, deployment.fallbackGroup, deployment.topic('fallback'))
    const classify = await start('classify')
    let fallback = await start('fallback')
    await deployment.produce('products', products(BEFORE))
    await finished(broker, deployment, TASKS, 'all')

    const callsBefore = standIn.counters().calls
    standIn.control({ mode: '500' })
    const ends = performance.now() + OUTAGE_MS
    await deployment.produce('products', products(DURING, BEFORE))
    await finished(broker, deployment, TASKS, 'classify', 20_000) // the stream flows on
    await fallback.until('the breaker opens', opened)
    const toOpen = standIn.counters().calls - callsBefore
    assert.ok(
      toOpen <= callsBefore + BREAKER_DEFAULTS.volume_min + 2 * CALLS_CONCURRENTLY,
      `${toOpen} calls to open it`,
    )

    t.diagnostic(await probesFor((ends - performance.now()) / 2, [classify, fallback]))
    const asked = performance.now()
    fallback.signal('SIGTERM')
    assert.equal(await fallback.ended, 0, fallback.tail())
    t.diagnostic(`drained in mid-outage in ${Math.round(performance.now() - asked)} ms`)
    fallback = await start('fallback')
    await fallback.until('the breaker of the next process opens', opened)
    t.diagnostic(await probesFor(ends - performance.now(), [classify, fallback]))
    const calls = standIn.counters().calls - callsBefore
    t.diagnostic(`${calls} calls in the outage, ${toOpen} of them to open the breaker; ${await unasked()} items wait`)
    assert.ok((await unasked()) > 0, 'a backlog waits')
    assert.equal(fallback.count('batch.committed'), 0, 'nothing is made up in an outage')

    const back = performance.now()
    standIn.control({ mode: 'ok' })
    await finished(broker, deployment, TASKS, 'all')
    t.diagnostic(`drained ${Math.round(performance.now() - back)} ms after the LLM was back`)
    for (const process of [classify, fallback]) {
      process.signal('SIGTERM')
      assert.equal(await process.ended, 0, process.tail())
    }
    const { count } = await audit(broker, deployment, TASKS, { finished: 'all' })
    t.diagnostic(JSON.stringify(count))
    assert.equal(count.fallback, BEFORE + DURING)
    assert.equal(count.result + count.review, BEFORE + DURING)
  })
})

type Started = Sluice & { heap(): Promise<number> }

const opened = ({ event, state }: LogEvent): boolean => event === 'breaker.changed' && state === 'open'
