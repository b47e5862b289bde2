// Promise: what a transaction wrote that was aborted is seen by nobody. Our reader on the real broker, with transactions
// that overlap in the ways that make kafkajs's own filter let records through.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { createKafkaClient } from '../../src/adapters/kafka/client.ts'
import { readFromStart } from '../../src/adapters/kafka/reader.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Producer, Transaction } from 'kafkajs'
import type { Broker } from '../support/stack.ts'

const RETRY = { retries: 8, initialRetryTime: 10, maxRetryTime: 1_000 }
const run = randomBytes(3).toString('hex')

describe('records of aborted transactions', { skip: noStack }, () => {
  let broker: Broker
  const topic = `aborted-${run}`
  const producers: Producer[] = []

  before(async () => {
    broker = await openBroker()
    await broker.admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 1 }] })
  })
  after(async () => {
    await Promise.all(producers.map((producer) => producer.disconnect()))
    await broker?.close()
  })

  async function begin(name: string): Promise<Transaction> {
    const producer = broker.kafka.producer({ transactionalId: `${name}-${run}`, maxInFlightRequests: 1, retry: RETRY })
    producers.push(producer)
    await producer.connect()
    return producer.transaction()
  }
  const send = (transaction: Transaction, value: string, key: Buffer | string = value) =>
    transaction.send({ topic, messages: [{ key, value, partition: 0 }] })

  test('are hidden when they overlap, end in another order than they began, and look like markers', async () => {
    const [a, b, c, d] = [await begin('a'), await begin('b'), await begin('c'), await begin('d')]
    const markerLike = Buffer.from([0, 0, 0, 0])
    await send(a, 'aborted a1')
    await send(b, 'aborted b1')
    await send(c, 'committed c1')
    await send(d, 'aborted d1', markerLike)
    await send(a, 'aborted a2', markerLike)
    await send(c, 'committed c2', markerLike)
    await send(d, 'aborted d2')
    await send(b, 'aborted b2')
    await d.abort()
    await b.abort()
    await c.commit()
    await send(a, 'aborted a3')
    await a.abort()
    const last = await begin('last')
    await send(last, 'committed last')
    await last.commit()

    const client = createKafkaClient({
      brokers: [process.env['SLUICE_KAFKA']!],
      client_id: 'sluice-test',
      connection_timeout_ms: 3_000,
      request_timeout_ms: 30_000,
      decompressed_bytes_max: 1_000_000,
    })
    const seen: string[] = []
    const reader = await readFromStart(client, `aborted-reader-${run}`, [topic], (_, { value }) => {
      seen.push(String(value))
    })
    await eventually('the last record', 15_000, () => seen.includes('committed last') || undefined)
    await reader.close()
    assert.deepEqual(seen, ['committed c1', 'committed c2', 'committed last'])
  })

  test('are counted by the judge of the fault tests as what they are', async () => {
    const open = await begin('open')
    await send(open, 'open')
    const { committed, aborted, open: pending } = await broker.readNow([topic])
    const values = (records: readonly { value: Buffer | null }[]) => records.map(({ value }) => String(value))
    assert.deepEqual(values(committed), ['committed c1', 'committed c2', 'committed last'])
    assert.equal(aborted.length, 7)
    assert.deepEqual(values(pending), ['open'])
    await open.abort()
  })
})

test('kafkajs still lets some of them through by itself; when it does not any more, src/adapters/kafka/aborted.ts can go', async () => {
  const { default: filter } = (await import('kafkajs/src/consumer/filterAbortedMessages.js' as string)) as {
    default: (given: object) => { offset: string }[]
  }
  const record = (offset: string, producerId: string) => ({
    offset,
    key: null,
    batchContext: { producerId, inTransaction: true },
  })
  const left = filter({
    messages: [record('0', '7'), record('1', '8')],
    abortedTransactions: [
      { producerId: '8', firstOffset: '1' },
      { producerId: '7', firstOffset: '0' },
    ],
  })
  assert.deepEqual(
    left.map(({ offset }) => offset),
    ['0'],
  )
})
