// The main job end to end, as a user runs it: every step is a command of its own. Both tasks, classify and fallback; events
// in, results, labels and dead letters out, with headers that any client can read.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import { freePort } from '../../scripts/stack/ports.ts'
import { audit, finished } from '../support/audit.ts'
import type { Audit } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import type { ReadRecord } from '../support/log-reader.ts'
import { products, queries } from '../support/products.ts'
import { isRunning, sluice, startSluice } from '../support/sluice.ts'
import type { Sluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const PRODUCTS = products(240)
const QUERIES = queries(40)
const candidatesOf = (key: string | undefined) => QUERIES.find(({ id }) => id === key)!.candidates.length
const TASKS = [
  { task: 'taxonomy', topic: 'products' },
  { task: 'relevance', topic: 'queries', items: candidatesOf },
]

describe('events become results', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment
  let process: Sluice
  let http: string
  let whole: Audit

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([5, 10])
    const port = await freePort()
    http = `http://127.0.0.1:${port}`
    deployment = await createDeployment('pipeline', {
      tasks: ['taxonomy', 'relevance'],
      settings: { llm: standIn.llm, http: { port } },
    })
  })
  after(async () => {
    process?.signal('SIGKILL')
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  const command = (...args: string[]) => sluice([...args, '--config', deployment.config])
  const jsonl = async (name: string, rows: readonly object[]) => {
    const file = join(deployment.folder, name)
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return file
  }

  test('topics and schemas are planned, applied, and kept the second time', async () => {
    for (const what of ['topics', 'schemas']) {
      const signs = async (...args: string[]) => {
        const { code, text } = await command(what, 'apply', ...args)
        assert.equal(code, 0, text)
        return new Set(
          text
            .trimEnd()
            .split('\n')
            .map((line) => line.slice(0, 1)),
        )
      }
      assert.deepEqual(await signs('--dry-run'), new Set(['+']))
      assert.deepEqual(await signs(), new Set(['+']))
      assert.deepEqual(await signs(), new Set([' ']))
    }
  })

  test('a process runs both roles on both tasks, and says when it is ready', async () => {
    process = startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
    await process.until('start', isRunning)
    await eventually('ready', 10_000, async () => (await fetch(`${http}/readyz`)).ok || undefined)
    assert.ok((await fetch(`${http}/livez`)).ok)
  })

  test('every item that was produced has its result, in Kafka and in the metrics', async (t) => {
    for (const [topic, rows] of Object.entries({ products: PRODUCTS, queries: QUERIES })) {
      const { code, text } = await command('produce', '--topic', topic, '--file', await jsonl(topic, rows))
      assert.equal(code, 0, text)
      assert.match(text, new RegExp(`^${rows.length} events sent to ${deployment.topic(topic)}$`, 'm'))
    }
    await finished(broker, deployment, TASKS, 'all')
    whole = await audit(broker, deployment, TASKS, { finished: 'all' })
    t.diagnostic(JSON.stringify(whole.count))
    const items = PRODUCTS.length + QUERIES.reduce((sum, { candidates }) => sum + candidates.length, 0)
    assert.equal(whole.count.result + whole.count.review, items)
    assert.equal(whole.count['dead-letter'], 0)

    const metrics = await (await fetch(`${http}/metrics`)).text()
    const results = [...metrics.matchAll(/^sluice_outcomes_total\{.*outcome="result".*\} (\d+)$/gm)]
    const counted = results.reduce((sum, [, count]) => sum + Number(count), 0)
    assert.equal(counted, whole.count.result)
  })

  test('every outcome says in its headers whose it is, what it is, who says so, and is a CloudEvent', () => {
    for (const { topic, headers } of whole.outcomes) {
      const kind = headers['sluice-outcome']!
      assert.equal(topic, deployment.topic({ result: 'results', fallback: 'fallback', review: 'reviews' }[kind]!))
      assert.match(headers['sluice-item']!, /^[^/]+\/\d+\/\d+\/\d+$/)
      assert.match(headers['sluice-digest']!, kind === 'result' ? /^[0-9a-f]{16,}$/ : /^none$/)
      const { ce_specversion, ce_type, ce_source, ce_id } = headers
      const expected = [
        '1.0',
        `dev.sluice.${kind}`,
        `/sluice/${headers['sluice-task']}/${kind}`,
        headers['sluice-item'],
      ]
      assert.deepEqual([ce_specversion, ce_type, ce_source, ce_id], expected)
    }
  })

  test('results decode with the schema that the registry holds, and say what the headers say', async () => {
    const registry = new SchemaRegistry({ host: globalThis.process.env['SLUICE_REGISTRY']! })
    const results = whole.outcomes.filter(({ headers }) => headers['sluice-outcome'] === 'result')
    const labels = new Map<string, string>()
    for (const { value, headers, key } of results) {
      const result = (await registry.decode(value!)) as Record<string, unknown>
      assert.deepEqual(
        [result['item'], result['task'], result['tier'], result['digest'], result['entity']],
        [headers['sluice-item'], headers['sluice-task'], headers['sluice-tier'], headers['sluice-digest'], key],
      )
      const { topic, partition, offset } = result['source'] as { topic: string; partition: number; offset: number }
      assert.ok(headers['sluice-item']!.startsWith(`${topic}/${partition}/${offset}/`))
      labels.set(key!, (result['label'] as string[]).join(' > '))
    }
    assert.ok(labels.get('p0')?.startsWith('Foodgrains'), `sugar is ${labels.get('p0')}`)
  })

  test('what is no record of ours on the fallback topic is refused, and the fallback role goes on', async () => {
    const topic = deployment.topic('fallback')
    const before = await broker.ends([topic])
    const producer = broker.kafka.producer()
    await producer.connect()
    const strange = [
      { key: 'strange', value: 'hello', partition: 0 },
      { key: 'null', value: null, partition: 0 },
    ]
    await producer.send({ topic, messages: strange })
    await producer.disconnect()
    const letters = await eventually('dead letters', 20_000, async () => {
      const { committed } = await broker.read([deployment.topic('dead-letters')])
      return committed.length === strange.length ? committed : undefined
    })
    const first = before.get(`${topic}/0`)!
    const said = letters.map(({ headers }: ReadRecord) => [headers['sluice-item'], headers['sluice-reason']])
    assert.deepEqual(said.toSorted(), [
      [`${topic}/0/${first}/0`, 'wire-format'],
      [`${topic}/0/${first + 1n}/0`, 'tombstone'],
    ])
    process.signal('SIGTERM')
    assert.equal(await process.ended, 0, process.tail())
  })
})
