// What only a real broker can show: fencing, offsets that fell out of range, topics and brokers that are not there,
// outputs beyond the broker's size of a message batch.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import kafkajs from 'kafkajs'
import { connectAdmin, createKafkaClient } from '../../src/adapters/kafka/client.ts'
import { createKafkaStream } from '../../src/adapters/kafka/stream.ts'
import { claimTransactional } from '../../src/adapters/kafka/writer.ts'
import { SluiceError } from '../../src/core/error.ts'
import type { ErrorCode } from '../../src/core/error.ts'
import { silent } from '../../src/ports/events.ts'
import type { Handler, OutputRecord, Stream } from '../../src/ports/stream.ts'
import { KAFKA, kafkaWorld, noKafka, STREAM, until } from '../fakes/stream-worlds.ts'
import type { KafkaWorld } from '../fakes/stream-worlds.ts'

const TEST_MS = { timeout: 60_000 }
const isCode = (code: ErrorCode) => (error: unknown) => error instanceof SluiceError && error.code === code

describe('a stream on Kafka', { skip: noKafka }, () => {
  let world: KafkaWorld
  let running: { stream: Stream; ended: Promise<void> }[] = []
  beforeEach(async () => {
    world = await kafkaWorld('exactly_once')
    running = []
  })
  afterEach(async () => {
    await Promise.all(running.map(({ stream }) => stream.drain()))
    await Promise.allSettled(running.map(({ ended }) => ended))
    await world.close()
  })
  function run(handler: Handler, stream: Stream = world.open()) {
    const ended = stream.run(handler)
    ended.catch(() => {})
    running.push({ stream, ended })
    return { stream, ended }
  }
  const echo: Handler = async ({ records }) => records.map(({ value }) => outputOf(value!))
  const outputOf = (value: Buffer | string): OutputRecord => {
    return { topic: world.output, key: null, value: Buffer.from(value), headers: {} }
  }
  const texts = () => world.written().map(({ value }) => value!.toString())
  const committed = (offset: number) =>
    until(`committed at ${offset}`, async () => (await world.committed(0)) === offset)
  const claim = () =>
    claimTransactional(world.client.kafka, {
      group: world.group,
      topic: world.input,
      partition: 0,
      transaction_timeout_ms: 10_000,
      committedOffset: () => world.offsets.committed(world.group, world.input, 0),
    })

  test('an older writer commits nothing after a newer claim', TEST_MS, async () => {
    const older = await claim()
    await older.commit([outputOf('by the older')], 1n)
    const newer = await claim()
    assert.equal(newer.committed, 1n)
    await assert.rejects(older.commit([outputOf('by the zombie')], 5n))
    await newer.commit([outputOf('by the newer')], 2n)
    await assert.rejects(older.commit([], 9n))
    await committed(2)
    await until('both are seen', () => world.written().length >= 2)
    assert.deepEqual(texts(), ['by the older', 'by the newer'])
    await Promise.all([older.discard(), newer.discard()])
  })

  test('a claim waits out the older transaction: what was sent in it is never seen', TEST_MS, async () => {
    const producer = world.client.kafka.producer({
      transactionalId: `${world.group}.${world.input}.0`,
      retry: { retries: 3 },
    })
    await producer.connect()
    const open = await producer.transaction()
    await open.send({ topic: world.output, messages: [{ value: 'half done' }] })
    const newer = await claim()
    await newer.commit([outputOf('done')], 1n)
    await assert.rejects(open.commit())
    await until('the newer is seen', () => world.written().length >= 1)
    assert.deepEqual(texts(), ['done'])
    await Promise.all([producer.disconnect(), newer.discard()])
  })

  test('a committed offset below the topic halts it at the start: SL204, and the offset stays', TEST_MS, async () => {
    await world.produce(0, Array.from({ length: 10 }, String))
    await standAt(2n)
    await deleteBefore('5')
    await assert.rejects(run(echo).ended, isCode('SL204'))
    assert.deepEqual([await world.committed(0), texts()], [2, []])
  })

  test('a committed offset beyond the topic halts it at the start: SL204', TEST_MS, async () => {
    await standAt(99n)
    await assert.rejects(run(echo).ended, isCode('SL204'))
    assert.equal(await world.committed(0), 99)
  })

  test('records deleted under a running stream halt it: SL204, nothing is skipped', TEST_MS, async () => {
    await world.produce(0, ['0', '1'])
    const [called, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { ended } = run(async (batch, progress, afterCommit) => {
      called.resolve()
      await release.promise
      return echo(batch, progress, afterCommit)
    })
    await called.promise
    await world.produce(0, ['2', '3', '4', '5'])
    await deleteBefore('5')
    release.resolve()
    await assert.rejects(ended, isCode('SL204'))
    await committed(2)
    await until('what was handled is seen', () => world.written().length >= 2)
    assert.deepEqual(texts(), ['0', '1'])
  })

  test('a topic that is not there: SL202, named', TEST_MS, async () => {
    const deps = { client: world.client, offsets: world.offsets, emit: silent }
    const settings = { ...STREAM, group: world.group, topics: ['no.such.topic'], delivery: 'exactly_once' } as const
    await assert.rejects(
      run(echo, createKafkaStream(settings, deps)).ended,
      (error: Error) => isCode('SL202')(error) && error.message.includes('no.such.topic'),
    )
  })

  test('outputs beyond what the broker takes in one batch are written, together and in order', TEST_MS, async () => {
    await world.produce(0, ['amplified'])
    const filler = randomBytes(6_000).toString('base64')
    const wanted = Array.from({ length: 600 }, (_, index) => `${index} ${filler}`)
    run(async () => wanted.map(outputOf))
    await committed(1)
    await until('all are seen', () => world.written().length >= wanted.length)
    assert.deepEqual(texts(), wanted)
  })

  test('a header that comes twice reads as its last value', TEST_MS, async () => {
    const headers = { twice: ['first', 'last'], once: 'x' }
    const producer = world.client.kafka.producer()
    await producer.connect()
    await producer.send({ topic: world.input, messages: [{ value: 'a', partition: 0, headers }] })
    await producer.disconnect()
    run(async ({ records }) =>
      records.map(({ value, headers }) => ({ topic: world.output, key: null, value, headers })),
    )
    await until('it is seen', () => world.written().length === 1)
    const seen = world.written()[0]!.headers
    assert.deepEqual([String(seen['twice']), String(seen['once'])], ['last', 'x'])
  })

  test('a time beyond all dates reads as the last one', TEST_MS, async () => {
    const configEntries = [{ name: 'message.timestamp.after.max.ms', value: '9223372036854775807' }]
    const type = kafkajs.ConfigResourceTypes.TOPIC
    await world.admin.alterConfigs({ validateOnly: false, resources: [{ type, name: world.input, configEntries }] })
    const producer = world.client.kafka.producer()
    await producer.connect()
    const messages = [{ value: 'a', partition: 0, timestamp: '9223372036854775806' }]
    // The broker says yes to the change before it has made it.
    await until('the topic takes such times', () =>
      producer.send({ topic: world.input, messages }).then(
        () => true,
        (error: { type?: string }) => {
          if (error.type !== 'INVALID_TIMESTAMP') throw error
          return false
        },
      ),
    )
    await producer.disconnect()
    const times: number[] = []
    run(async ({ records }) => {
      times.push(...records.map(({ timestamp_ms }) => timestamp_ms))
      return []
    })
    await committed(1)
    assert.deepEqual(times, [8.64e15])
  })

  for (const type of ['GZIP', 'ZSTD'] as const)
    test(`records compressed with ${type.toLowerCase()} are read`, TEST_MS, async () => {
      const producer = world.client.kafka.producer()
      await producer.connect()
      const messages = ['a', 'b', 'c'].map((value) => ({ value, partition: 0 }))
      await producer.send({ topic: world.input, messages, compression: kafkajs.CompressionTypes[type] })
      await producer.disconnect()
      run(echo)
      await until('all are seen', () => world.written().length >= 3)
      assert.deepEqual(texts(), ['a', 'b', 'c'])
    })

  async function standAt(offset: bigint): Promise<void> {
    const writer = await claim()
    await writer.commit([], offset)
    await writer.discard()
    await committed(Number(offset))
  }

  async function deleteBefore(offset: string): Promise<void> {
    await world.admin.deleteTopicRecords({ topic: world.input, partitions: [{ partition: 0, offset }] })
  }
})

describe('a broker that is not there', () => {
  const hung = createServer((socket) => void socket.on('error', () => {}).resume())
  before(async () => {
    hung.listen(0, '127.0.0.1')
    await once(hung, 'listening')
  })
  after(() => hung.close())

  const fails = async (broker: string) => {
    const settings = { ...KAFKA, brokers: [broker], connection_timeout_ms: 1_000, request_timeout_ms: 1_000 }
    await assert.rejects(
      connectAdmin(createKafkaClient(settings), settings),
      (error: Error) => isCode('SL201')(error) && error.message.includes(broker),
    )
  }
  test('refuses connections: SL201 that names it, in finite time', { timeout: 15_000 }, () => fails('127.0.0.1:1'))
  test('accepts and never answers: SL201 that names it, in finite time', { timeout: 30_000 }, () =>
    fails(`127.0.0.1:${(hung.address() as AddressInfo).port}`),
  )
  test('has a name that nobody knows: SL201', { timeout: 15_000 }, () => fails('no-such-host.invalid:9092'))
})
