// Looking for records of a key on the real broker: in the partition where producers put it, between offsets, committed ones
// only, and with an end although a transaction stays open.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { createKafkaClient } from '../../src/adapters/kafka/client.ts'
import { readToEnd } from '../../src/adapters/kafka/reader.ts'
import { openSearch } from '../../src/adapters/kafka/search.ts'
import type { FoundRecord, Search, Wanted } from '../../src/adapters/kafka/search.ts'
import { SluiceError } from '../../src/core/error.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const KEYS = Array.from({ length: 40 }, (_, at) => `key ${at} é`)
const settings = {
  brokers: [process.env['SLUICE_KAFKA']!],
  client_id: 'sluice-test',
  connection_timeout_ms: 3_000,
  request_timeout_ms: 30_000,
  decompressed_bytes_max: 1_000_000,
}

describe('a search', { skip: noStack }, () => {
  const topic = `search-${randomBytes(4).toString('hex')}`
  let broker: Broker
  let search: Search

  before(async () => {
    broker = await openBroker()
    await broker.admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 4 }] })
    await eventually('the topic', 20_000, async () => (await broker.ends([topic])).size === 4 || undefined)
    const producer = broker.kafka.producer()
    await producer.connect()
    await producer.send({ topic, messages: KEYS.map((key) => ({ key, value: `of ${key}` })) })
    await producer.disconnect()
    search = await openSearch(settings)
  })
  after(async () => {
    await search?.close()
    await broker?.admin.deleteTopics({ topics: [topic] })
    await broker?.close()
  })

  async function read(wanted: readonly Wanted[]) {
    const found: FoundRecord[] = []
    await search.read(wanted, {
      since_ms: 0,
      onRecord: (record) => void found.push(record),
      onProgress: () => {},
    })
    return { found, keys: found.map(({ key }) => String(key)) }
  }

  test('finds a key in its partition, and reads no other', async () => {
    for (const key of KEYS.slice(0, 3)) {
      const { found, keys } = await read([{ topic, key }])
      assert.ok(keys.includes(key) && keys.length < KEYS.length, keys.join())
      assert.equal(new Set(found.map(({ partition }) => partition)).size, 1)
    }
  })

  test('reads all where no key is named, and nothing of topics that are not there', async () => {
    const { keys } = await read([{ topic }, { topic: `${topic}-not` }])
    assert.deepEqual(keys.toSorted(), KEYS.toSorted())
  })

  test('finds the one record of a place; none where there is none', async () => {
    const { found } = await read([{ topic }])
    const { partition, offset, key } = found[5]!
    assert.deepEqual((await search.at(topic, partition, offset))?.key, key)
    assert.equal(await search.at(topic, partition, '999999'), undefined)
    assert.equal(await search.at(topic, 99, '0'), undefined)
    await assert.rejects(
      search.at(`${topic}-not`, 0, '0'),
      (error) => error instanceof SluiceError && error.code === 'SL202',
    )
  })

  test('ends at an open transaction; a reader of what is not committed reads on', async () => {
    const producer = broker.kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    try {
      const transaction = await producer.transaction()
      const held = KEYS.map((key) => ({ key: `open ${key}`, value: 'x' }))
      await transaction.send({ topic, messages: held })
      assert.deepEqual((await read([{ topic }])).keys.toSorted(), KEYS.toSorted())
      const all: string[] = []
      const onRecord = ({ key }: { readonly key: Buffer | null }) => void all.push(String(key))
      await readToEnd(createKafkaClient(settings), topic, { since_ms: 0, uncommitted: true, onRecord })
      assert.deepEqual(all.toSorted(), [...KEYS, ...held.map(({ key }) => key)].toSorted())
      await transaction.abort()
    } finally {
      await producer.disconnect()
    }
  })
})
