// What only Avro with a schema registry can show: hostile bytes, ids that nobody knows, a registry that is ill or away.
// A front of the real registry counts the requests; without SLUICE_REGISTRY all of this is skipped, with the reason.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createCodec } from '../../src/adapters/registry/codec.ts'
import { applySchemas, deleteSubjects, planSchemas } from '../../src/adapters/registry/schemas.ts'
import { SluiceError } from '../../src/core/error.ts'
import type { ErrorCode } from '../../src/core/error.ts'
import type { Codec } from '../../src/ports/codec.ts'
import { registryFront } from '../fakes/registry-front.ts'
import type { RegistryFront } from '../fakes/registry-front.ts'

const REGISTRY = process.env['SLUICE_REGISTRY']
const noRegistry = REGISTRY === undefined ? 'SLUICE_REGISTRY names no registry (npm test starts one)' : false
const ID = randomUUID().slice(0, 8)
/** Longer than the machine may stall; where the registry hangs, it is waited for. */
const TIMEOUT_MS = 30_000
const SHORT_MS = 3_000

/** Everything that can lie about how much there is to decode. */
const HOSTILE = {
  type: 'record',
  name: 'Node',
  namespace: `test.n${ID}`,
  fields: [
    { name: 'names', type: { type: 'array', items: 'string' } },
    { name: 'tags', type: { type: 'map', values: 'string' } },
    { name: 'nothing', type: { type: 'array', items: 'null' } },
    { name: 'grid', type: { type: 'array', items: { type: 'array', items: 'null' } } },
    { name: 'child', type: ['null', 'Node'] },
  ],
}
const EMPTY = { names: [], tags: {}, nothing: [], grid: [], child: null }
const isCode = (code: ErrorCode) => (error: unknown) => error instanceof SluiceError && error.code === code
const bytes = (...values: number[]) => Buffer.from(values)

/** A zig-zag varint. */
function long(value: bigint): Buffer {
  const out: number[] = []
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  return bytes(...out, Number(rest))
}

describe('Avro with a registry', { skip: noRegistry }, () => {
  const topic = `hostile.${ID}`
  let front: RegistryFront
  let codec: Codec
  let frame: Buffer
  before(async () => {
    front = await registryFront(REGISTRY!)
    const subjects = [{ subject: `${topic}-value`, schema: HOSTILE }]
    await applySchemas(front.url, subjects, await planSchemas(front.url, TIMEOUT_MS, subjects))
  })
  beforeEach(async () => {
    front.mode = 'ok'
    codec = await open()
    frame = (await codec.encode(topic, [EMPTY]))[0]!.subarray(0, 5)
    front.requests.length = 0
  })
  after(() => front.stop())

  const open = (timeout_ms = TIMEOUT_MS) =>
    createCodec({ url: front.url, timeout_ms, record_bytes_max: 1_048_576 }, [
      { topic, format: 'avro', writes: HOSTILE },
    ])
  const framed = (...body: Buffer[]) => Buffer.concat([frame, ...body])
  const withId = (id: number) => {
    const value = framed(bytes(0, 0, 0, 0, 0))
    value.writeInt32BE(id, 1)
    return value
  }
  const decode = async (value: Buffer) => (await codec.decode(topic, [value]))[0]!

  test('a value of its own comes back, map keys like __proto__ included', async () => {
    const value = {
      ...EMPTY,
      names: ['a'],
      tags: JSON.parse('{"__proto__":"x"}') as object,
      nothing: [null],
      grid: [[null]],
    }
    const decoded = await decode((await codec.encode(topic, [value]))[0]!)
    assert.equal(decoded.ok, true)
    assert.equal(({} as Record<string, unknown>)['x'], undefined)
  })

  test('wrong magic bytes are refused and the registry is not asked', async () => {
    for (const value of [bytes(), bytes(0), bytes(0, 0, 0, 0), bytes(1, 0, 0, 0, 1, 0), Buffer.from('{"id":1}')])
      assert.equal(((await decode(value)) as { reason?: string }).reason, 'wire-format')
    assert.deepEqual(front.requests, [])
  })

  const hostile: Record<string, readonly Buffer[]> = {
    'a map of 2^32 entries': [long(0n), long(2n ** 32n)],
    'an array of 2^32 - 1 entries': [long(2n ** 32n - 1n)],
    'an array of 2^62 entries': [long(2n ** 62n)],
    'a negative block with a wrong size': [long(-5n), long(2n ** 40n)],
    'a negative block with a negative size': [long(-5n), long(-1n)],
    'a string of length -1': [long(1n), long(-1n)],
    'a string of length 2^61': [long(1n), long(2n ** 61n)],
    'twenty million nothings': [long(0n), long(0n), long(20_000_000n), long(0n), long(0n), long(0n)],
    'nothings in a grid': [
      long(0n),
      long(0n),
      long(0n),
      long(5_000n),
      ...Array.from({ length: 5_000 }, () => Buffer.concat([long(9_999n), long(0n)])),
      long(0n),
      long(0n),
    ],
    '200,000 children deep': [...Array.from({ length: 200_000 }, () => bytes(0, 0, 0, 0, 2)), bytes(0, 0, 0, 0, 0)],
    'a union branch out of range': [bytes(0, 0, 0, 0), long(2n)],
    'a negative union branch': [bytes(0, 0, 0, 0), long(-1n)],
    'a number of eleven bytes': [Buffer.alloc(11, 0xff)],
    'a byte after the value': [bytes(0, 0, 0, 0, 0, 0)],
    'no value': [],
  }
  for (const [what, body] of Object.entries(hostile))
    test(`${what}: refused in 250 ms of the processor and 64 MB`, async () => {
      await decode(withId(frame.readInt32BE(1)))
      const value = framed(Buffer.concat(body))
      const [began, before] = [process.threadCpuUsage(), process.memoryUsage().rss]
      const decoded = await decode(value)
      const [took, grew] = [process.threadCpuUsage(began), process.memoryUsage().rss - before]
      assert.deepEqual([decoded.ok, (decoded as { reason?: string }).reason], [false, 'bad-value'])
      const took_ms = (took.user + took.system) / 1_000
      assert.ok(took_ms < 250, `${took_ms} ms`)
      assert.ok(grew < 64_000_000, `${grew} bytes`)
    })

  test('an id that nobody knows is asked for once, however many records carry it', async () => {
    for (const id of [0, -1, 2 ** 31 - 1]) {
      front.requests.length = 0
      for (let round = 0; round < 5; round++) {
        const decoded = await codec.decode(
          topic,
          Array.from({ length: 100 }, () => withId(id)),
        )
        for (const it of decoded) assert.equal((it as { reason?: string }).reason, 'unknown-schema')
      }
      assert.equal(front.requests.length, 1, `id ${id}: ${front.requests.length} requests`)
    }
  })

  test('a known id is asked for once', async () => {
    const value = withId(frame.readInt32BE(1))
    await Promise.all(Array.from({ length: 20 }, () => decode(value)))
    assert.ok(front.requests.length <= 1, front.requests.join())
  })

  test('a schema that the registry holds and nobody here can read refuses its records, and does not stall them', async () => {
    front.own.set('/schemas/ids/4242', { status: 200, body: { schema: '{"type":"no such type"}' } })
    front.own.set('/schemas/ids/4243', { status: 200, body: { schema: '{', schemaType: 'AVRO' } })
    front.own.set('/schemas/ids/4244', { status: 200, body: { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' } })
    for (const id of [4242, 4243, 4244]) {
      const decoded = await decode(withId(id))
      assert.equal(decoded.ok, false, `id ${id}`)
      await decode(withId(id))
      assert.equal(front.requests.filter((it) => it.endsWith(`/${id}`)).length, 1)
    }
  })

  for (const mode of ['hang', '500'] as const)
    test(`a registry that answers ${mode === 'hang' ? 'nothing' : '500'}: ids already known flow, others wait (SL301)`, async () => {
      const codec = await open(SHORT_MS)
      const decode = async (value: Buffer) => (await codec.decode(topic, [value]))[0]!
      const known = withId(frame.readInt32BE(1))
      assert.equal((await decode(known)).ok, true)
      front.mode = mode
      assert.equal((await decode(known)).ok, true)
      const began = performance.now()
      await assert.rejects(decode(withId(987_654)), isCode('SL301'))
      assert.ok(performance.now() - began < SHORT_MS * 5)
      front.mode = 'ok'
      assert.equal(((await decode(withId(987_654))) as { reason?: string }).reason, 'unknown-schema')
    })

  test('a start without a registry: SL301 that names it, in finite time', async () => {
    front.mode = 'hang'
    const host = new URL(front.url).host
    await assert.rejects(open(SHORT_MS), (error: Error) => isCode('SL301')(error) && error.message.includes(host))
    const nobody = { url: 'http://127.0.0.1:1', timeout_ms: SHORT_MS, record_bytes_max: 1 }
    await assert.rejects(createCodec(nobody, [{ topic, format: 'avro', writes: HOSTILE }]), isCode('SL301'))
  })

  test('a start with a schema that was never registered: SL302 that names the subject', async () => {
    const settings = { url: front.url, timeout_ms: TIMEOUT_MS, record_bytes_max: 1 }
    await assert.rejects(
      createCodec(settings, [{ topic: `never.${ID}`, format: 'avro', writes: HOSTILE }]),
      (error: Error) => isCode('SL302')(error) && error.message.includes(`never.${ID}-value`),
    )
  })

  test('schemas are planned once and kept; a change that old readers cannot follow is refused', async () => {
    const subject = `evolving.${ID}-value`
    const record = (...fields: object[]) => ({ type: 'record', name: 'E', namespace: `test.e${ID}`, fields })
    const text = (name: string, more = {}) => ({ name, type: 'string', ...more })
    const plan = (schema: object) => planSchemas(front.url, TIMEOUT_MS, [{ subject, schema }])
    const kind = async (schema: object) => (await plan(schema))[0]!.kind
    const first = record(text('a'))
    assert.equal(await kind(first), 'register')
    await applySchemas(front.url, [{ subject, schema: first }], await plan(first))
    assert.equal(await kind(first), 'keep')
    assert.equal(await kind(record(text('a'), text('b', { default: '' }))), 'register')
    const bad = record(text('a'), text('b'))
    assert.equal(await kind(bad), 'refuse')
    await assert.rejects(applySchemas(front.url, [{ subject, schema: bad }], await plan(bad)), isCode('SL303'))
    assert.equal(await kind(first), 'keep')
  })

  test('a subject whose compatibility level is another is refused in the plan, and nothing is registered', async () => {
    const subject = `levelled.${ID}-value`
    const schemas = [{ subject, schema: { type: 'record', name: 'L', namespace: `test.l${ID}`, fields: [] } }]
    const before = await planSchemas(front.url, TIMEOUT_MS, schemas)
    const body = JSON.stringify({ compatibility: 'FULL' })
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    await fetch(`${REGISTRY}/config/${subject}`, { method: 'PUT', headers, body })
    const plan = await planSchemas(front.url, TIMEOUT_MS, schemas)
    assert.deepEqual([plan[0]!.kind, plan[0]!.says.includes('FULL')], ['refuse', true])
    for (const it of [plan, before]) await assert.rejects(applySchemas(front.url, schemas, it), isCode('SL303'))
    assert.equal((await fetch(`${REGISTRY}/subjects/${subject}/versions`)).status, 404)
  })

  test('a registry that is ill or lets nobody in is SL301, no refusal of the schema', async () => {
    const schemas = [{ subject: `ill.${ID}-value`, schema: HOSTILE }]
    front.mode = '500'
    await assert.rejects(planSchemas(front.url, TIMEOUT_MS, schemas), isCode('SL301'))
    const plan = [{ kind: 'register', subject: schemas[0]!.subject, says: '' }] as const
    await assert.rejects(applySchemas(front.url, schemas, plan), isCode('SL301'))
    front.mode = 'ok'
    front.own.set(`/subjects/ill.${ID}-value`, { status: 401, body: { message: 'who are you?' } })
    await assert.rejects(planSchemas(front.url, TIMEOUT_MS, schemas), isCode('SL301'))
  })

  test('subjects that are deleted are gone; what cannot be deleted is no error', async () => {
    const subjects = [`gone.${ID}-value`, `never.there.${ID}-value`]
    const schemas = [{ subject: subjects[0]!, schema: HOSTILE }]
    await applySchemas(front.url, schemas, await planSchemas(front.url, TIMEOUT_MS, schemas))
    await deleteSubjects(front.url, TIMEOUT_MS, subjects)
    const left = (await (await fetch(`${REGISTRY}/subjects?deleted=true`)).json()) as string[]
    assert.ok(!left.includes(subjects[0]!))
    await deleteSubjects('http://127.0.0.1:1', 500, subjects)
  })
})
