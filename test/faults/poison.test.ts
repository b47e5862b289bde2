// Promise: a record that cannot be read ends in the dead letters, with its bytes and a reason; its neighbours, before and
// behind it in the same partition and the same batch, are answered. Bytes are made by hand, as a hostile client would.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import avsc from 'avsc'
import kafkajs from 'kafkajs'
import type { IHeaders } from 'kafkajs'
import { audit, finished } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import type { ReadRecord } from '../support/log-reader.ts'
import { products, queries } from '../support/products.ts'
import { startSluice } from '../support/sluice.ts'
import { noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

interface Poison {
  readonly what: string
  readonly value: Buffer | null
  readonly reason: string
}

interface Writer {
  readonly encode: (value: unknown) => Buffer
  readonly id: number
}

const RECORD_BYTES_MAX = 400_000
const MB = 1_000_000
const TASKS = [
  { task: 'taxonomy', topic: 'products' },
  { task: 'relevance', topic: 'queries' },
]

const framed = (id: number, ...avro: readonly (Buffer | number[])[]): Buffer => {
  const header = Buffer.alloc(5)
  header.writeInt32BE(id, 1)
  return Buffer.concat([header, ...avro.map((part) => Buffer.from(part))])
}
/** Avro's zig-zag varint. */
function long(value: bigint): Buffer {
  const bytes: number[] = []
  let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(left)])
}
const text = (value: string): Buffer => Buffer.concat([long(BigInt(Buffer.byteLength(value))), Buffer.from(value)])

function poisonedProducts({ encode, id }: Writer): Poison[] {
  const good = encode(products(1)[0])
  const wire = (what: string, value: Buffer): Poison => ({ what, value, reason: 'wire-format' })
  const bad = (what: string, value: Buffer): Poison => ({ what, value, reason: 'bad-value' })
  return [
    { what: 'null', value: null, reason: 'tombstone' },
    wire('empty', Buffer.alloc(0)),
    wire('one byte', Buffer.from([0])),
    wire('magic byte 1', Buffer.from(good).fill(1, 0, 1)),
    wire('JSON instead of Avro', Buffer.from('{"id":"p1","title":"Milk 1 l"}')),
    wire('300 kB of one letter', Buffer.alloc(300_000, 'a')),
    { what: '1 MB of one letter', value: Buffer.alloc(MB, 'a'), reason: 'too-large' },
    { what: 'a title of 1 MB', value: encode({ id: 'x', title: 'a'.repeat(MB), brand: null }), reason: 'too-large' },
    ...[0, -1, 2 ** 31 - 1].map((strange) => {
      return { what: `schema id ${strange}`, value: framed(strange, good.subarray(5)), reason: 'unknown-schema' }
    }),
    bad('header only', good.subarray(0, 5)),
    bad('truncated', good.subarray(0, 20)),
    bad('a trailing byte', Buffer.concat([good, Buffer.alloc(1)])),
    bad('a string of length -1', framed(id, long(-1n), text('x'))),
    bad('a string of length 2^61', framed(id, long(2n ** 61n), text('x'))),
    bad('a union branch out of range', framed(id, text('x'), text('y'), long(7n))),
    { what: 'no text', value: encode({ id: 'x', title: ' \u200b ', brand: null }), reason: 'empty-text' },
  ]
}

function poisonedQueries({ encode, id }: Writer): Poison[] {
  const bad = (what: string, value: Buffer): Poison => ({ what, value, reason: 'bad-value' })
  const head = [text('x'), text('milk')]
  const candidate = { id: 'c', title: 'Milk', brand: null, description: null }
  return [
    bad('an array of 2^32 - 1', framed(id, ...head, long(2n ** 32n - 1n))),
    bad('an array of 2^62', framed(id, ...head, long(2n ** 62n))),
    bad('an array block of wrong size', framed(id, ...head, long(-3n), long(2n ** 40n))),
    { what: 'no candidates', value: encode({ id: 'x', query: 'milk', candidates: [] }), reason: 'no-items' },
    {
      what: '501 candidates',
      value: encode({ id: 'x', query: 'milk', candidates: Array.from({ length: 501 }, () => candidate) }),
      reason: 'too-many-items',
    },
  ]
}

describe('poison between good records', { skip: noStack }, () => {
  let broker: Broker
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    deployment = await createDeployment('poison', {
      tasks: ['taxonomy', 'relevance'],
      settings: { limits: { record_bytes_max: RECORD_BYTES_MAX } },
      topics: { products: { partitions: 1 }, queries: { partitions: 1 } },
    })
    await deployment.apply()
  })
  after(async () => {
    await deployment?.remove()
    await broker?.close()
  })

  async function writerOf(alias: string): Promise<Writer> {
    const subject = `${deployment.topic(alias)}-value`
    const response = await fetch(`${process.env['SLUICE_REGISTRY']}/subjects/${subject}/versions/latest`)
    const { id, schema } = (await response.json()) as { id: number; schema: string }
    const type = avsc.Type.forSchema(JSON.parse(schema))
    return { id, encode: (value) => framed(id, type.toBuffer(value)) }
  }

  /** good, poison, good, poison, … good. One send a record: a compressed or large batch is not the point here. */
  async function send(alias: string, good: readonly Buffer[], poison: readonly Poison[]): Promise<void> {
    const producer = broker.kafka.producer({ idempotent: true })
    await producer.connect()
    const doubled: IHeaders = { traceparent: ['00-first', '00-second'], empty: '' }
    for (const [index, value] of good.entries()) {
      const bad = poison[index]
      const messages = [
        { key: `good${index}`, value, headers: doubled },
        ...(bad ? [{ key: `poison${index}`, value: bad.value }] : []),
      ]
      await producer.send({ topic: deployment.topic(alias), messages })
    }
    await producer.disconnect()
  }

  test('ends in the dead letters with its bytes and a reason, and every neighbour is answered', async (t) => {
    const [product, query] = [await writerOf('products'), await writerOf('queries')]
    const poison = { products: poisonedProducts(product), queries: poisonedQueries(query) }
    const goodQueries = queries(poison.queries.length + 1)
    await send('products', products(poison.products.length + 1).map(product.encode), poison.products)
    await send('queries', goodQueries.map(query.encode), poison.queries)
    await classifyAll()

    const itemsOf = (key: string | undefined) =>
      key?.startsWith('good') ? goodQueries[Number(key.slice('good'.length))]!.candidates.length : 1
    const tasks = TASKS.map((task) => ({ ...task, items: task.topic === 'queries' ? itemsOf : () => 1 }))
    const { count, outcomes } = await audit(broker, deployment, tasks, { finished: 'classify' })
    t.diagnostic(JSON.stringify(count))
    for (const alias of ['products', 'queries'] as const) {
      const letters = new Map(lettersOf(alias, outcomes).map((letter) => [letter.key, letter]))
      for (const [index, { what, value, reason }] of poison[alias].entries()) {
        const letter = letters.get(`poison${index}`)
        assert.equal(letter?.headers['sluice-reason'], reason, what)
        assert.ok(letter.value === value || value?.equals(letter.value!), `${what}: its bytes`)
      }
      assert.equal(letters.size, poison[alias].length, 'nothing else was refused')
    }
  })

  test('in one item of a query is refused alone: the other items of the record are answered', async () => {
    const { encode } = await writerOf('queries')
    const titles = ['Milk 1 l', '', 'Bread']
    const candidates = titles.map((title, index) => ({ id: `c${index}`, title, brand: null }))
    const before = await broker.read([deployment.topic('queries')])
    await send('queries', [encode({ id: 'x', query: 'milk', candidates })], [])
    await classifyAll()

    const { committed } = await broker.read(['fallback', 'results', 'dead-letters'].map(deployment.topic))
    const source = `${deployment.topic('queries')}/0/${before.committed.length}/`
    const ends = committed
      .filter(({ headers }) => headers['sluice-item']!.startsWith(source))
      .map(({ headers }) => `${headers['sluice-item']!.at(-1)} ${headers['sluice-outcome'] === 'dead-letter'}`)
    assert.deepEqual(ends.toSorted(), ['0 false', '1 true', '2 false'])
  })

  test('of 5 MB that came compressed is kept as far as the dead letters can hold it', async () => {
    const topic = deployment.topic('products')
    const value = Buffer.alloc(5 * MB, 'a')
    const producer = broker.kafka.producer()
    await producer.connect()
    const compression = kafkajs.CompressionTypes.GZIP
    await producer.send({ topic, compression, messages: [{ key: 'bomb', value }] })
    await producer.disconnect()
    await classifyAll()
    const { committed } = await broker.read([deployment.topic('dead-letters')])
    const letter = committed.find(({ key }) => key === 'bomb')!
    assert.equal(letter.headers['sluice-reason'], 'too-large')
    assert.equal(letter.headers['sluice-cut'], String(value.length))
    assert.ok(value.subarray(0, letter.value!.length).equals(letter.value!))
  })

  async function classifyAll(): Promise<void> {
    const process = startSluice(['run', 'classify', '--config', deployment.config])
    await finished(broker, deployment, TASKS, 'classify')
    process.signal('SIGTERM')
    assert.equal(await process.ended, 0, process.tail())
  }

  const lettersOf = (alias: string, outcomes: readonly ReadRecord[]) =>
    outcomes.filter(
      ({ headers }) =>
        headers['sluice-outcome'] === 'dead-letter' &&
        headers['sluice-source']!.startsWith(`${deployment.topic(alias)}/`),
    )
})
