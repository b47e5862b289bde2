// Readers that were not written here find each input exactly once by the headers, and read the values: kcat (librdkafka)
// and a Python consumer with Confluent's Avro deserializer. One process was killed on the way, so that there are aborted
// records to step over.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { which } from '../../scripts/stack/system.ts'
import { audit, finished } from '../support/audit.ts'
import type { Audit } from '../support/audit.ts'
import { createDeployment, ROOT } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { faultAt } from '../support/fault-point.ts'
import type { ReadRecord } from '../support/log-reader.ts'
import { products } from '../support/products.ts'
import { pythonWith } from '../support/python.ts'
import { startSluice } from '../support/sluice.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
const PRODUCTS = 2_000
const READ_TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 64_000_000
const PYTHON = join(ROOT, 'test', 'integration', 'python')
const noKcat: false | string = which('kcat') ? false : 'kcat is not installed (apt install kcat)'

describe('readers not written here', { skip: noStack }, () => {
  let broker: Broker
  let deployment: TestDeployment
  let whole: Audit
  let sources: readonly string[]

  before(async () => {
    broker = await openBroker()
    deployment = await createDeployment('readers', {
      tasks: ['taxonomy'],
      settings: { kafka: { batch_records_max: 100 } },
      gates: { taxonomy: [0.5, 0.4, 0.3] },
    })
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
    const producer = broker.kafka.producer()
    await producer.connect()
    await producer.send({
      topic: deployment.topic('products'),
      messages: [{ key: 'bad', value: 'not Avro, ünreadable' }],
    })
    await producer.disconnect()
    const run = ['run', 'classify', '--config', deployment.config]
    const killed = startSluice(run, faultAt({ request: 'EndTxn', nth: 6, when: 'before', signal: 'SIGKILL' }))
    assert.equal(await killed.ended, 'SIGKILL', killed.tail())
    const process = startSluice(run)
    await finished(broker, deployment, TASKS, 'classify')
    process.signal('SIGTERM')
    assert.equal(await process.ended, 0, process.tail())
    whole = await audit(broker, deployment, TASKS, { finished: 'classify' })
    assert.ok(whole.aborted > 0, 'there is something to step over')
    const { committed } = await broker.read([deployment.topic('products')])
    sources = committed.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}/0`).toSorted()
  })
  after(async () => {
    await deployment?.remove()
    await broker?.close()
  })

  const outcomeTopics = () => ['results', 'fallback', 'dead-letters'].map(deployment.topic)

  test('kcat sees each input exactly once', { skip: noKcat }, async (t) => {
    const found: string[] = []
    for (const topic of outcomeTopics()) {
      const settings = ['-X', 'isolation.level=read_committed', '-b', process.env['SLUICE_KAFKA']!]
      for (const line of await linesOf('kcat', ['-C', '-e', '-q', ...settings, '-t', topic, '-f', '%h\n'])) {
        assert.match(line, /sluice-outcome=(result|fallback|dead-letter)\b/)
        found.push(/(?:^|,)sluice-item=([^,]+)/.exec(line)![1]!)
      }
    }
    t.diagnostic(`${found.length} outcomes, ${whole.aborted} aborted ones not seen`)
    assert.deepEqual(found.toSorted(), sources)
  })

  test('a Python consumer sees each input exactly once, and Confluent’s Avro deserializer reads the values', async (t) => {
    const python = await pythonWith(join(PYTHON, 'requirements.txt'))
    if ('missing' in python) return t.skip(python.missing)
    const addresses = [process.env['SLUICE_KAFKA']!, process.env['SLUICE_REGISTRY']!]
    const [results, fallback, deadLetters] = outcomeTopics() as [string, string, string]
    const args = [join(PYTHON, 'read_outcomes.py'), ...addresses, results, fallback, '--raw', deadLetters]
    const records = (await linesOf(python.command, args)).map((line) => JSON.parse(line) as FromPython)
    assert.deepEqual(records.map(({ headers }) => headers['sluice-item']).toSorted(), sources)
    const ours = new Map(
      whole.outcomes.map((record) => [`${record.topic}/${record.partition}/${record.offset}`, record]),
    )
    for (const { topic, partition, offset, headers, value } of records) {
      assert.deepEqual(headers, ours.get(`${topic}/${partition}/${offset}`)?.headers)
      if (topic === deadLetters) continue
      assert.ok(value !== null)
      assert.deepEqual([value['item'], value['task']], [headers['sluice-item'], 'taxonomy'])
      if (topic !== results) continue
      assert.equal((value['label'] as string[]).length, 3)
      assert.deepEqual([value['tier'], value['digest']], [headers['sluice-tier'], headers['sluice-digest']])
    }
    t.diagnostic(`${records.length} records, values of ${records.filter(({ value }) => value !== null).length} decoded`)
  })
})

type FromPython = Pick<ReadRecord, 'topic' | 'partition' | 'headers'> & {
  readonly offset: number
  readonly value: Readonly<Record<string, unknown>> | null
}

/** What the program prints; rejects with its errors when it fails. */
async function linesOf(command: string, args: readonly string[]): Promise<string[]> {
  const limits = { maxBuffer: OUTPUT_BYTES_MAX, timeout: READ_TIMEOUT_MS }
  const { stdout } = await promisify(execFile)(command, args, limits)
  return stdout.split('\n').filter((line) => line !== '')
}
