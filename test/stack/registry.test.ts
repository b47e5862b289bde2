// The development registry, met by the client that Sluice uses and by plain HTTP. A broker of its own, because the
// registry is restarted over it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { startStack } from '../../scripts/stack/stack.ts'
import type { Stack } from '../../scripts/stack/stack.ts'

type Field = { name: string; type: unknown; default?: unknown }
const product = (...fields: Field[]) =>
  JSON.stringify({ type: 'record', name: 'Product', namespace: 'sluice.test', fields })
const id: Field = { name: 'id', type: 'string' }
const title: Field = { name: 'title', type: ['null', 'string'], default: null }
const price: Field = { name: 'price', type: 'double' }

describe('the development registry', () => {
  let stack: Stack
  let client: SchemaRegistry
  const avro = (schema: string) => ({ type: SchemaType.AVRO as const, schema })

  before(async () => {
    stack = await startStack()
    client = new SchemaRegistry({ host: stack.registry, retry: { retries: 0 } })
  })
  after(() => stack.stop())

  async function call(method: string, path: string, body?: unknown) {
    const options = body === undefined ? { method } : { method, body: JSON.stringify(body) }
    const response = await fetch(stack.registry + path, { ...options, signal: AbortSignal.timeout(10_000) })
    return { status: response.status, type: response.headers.get('content-type'), body: await response.json() }
  }
  const post = (path: string, schema: string) => call('POST', path, { schema })

  it('says that it is not Confluent’s', async () => {
    const { body } = await call('GET', '/')
    assert.match(JSON.stringify(body), /stand-in for development.*not Confluent's/)
  })

  it('registers a schema, encodes and decodes with it, and lets it evolve', async () => {
    const first = await client.register(avro(product(id)), { subject: 'products-value' })
    const encoded = await client.encode(first.id, { id: 'p1' })
    assert.deepEqual([encoded[0], encoded.readInt32BE(1)], [0, first.id])
    const second = await client.register(avro(product(id, title)), { subject: 'products-value' })
    assert.notEqual(second.id, first.id)
    assert.equal(await client.getLatestSchemaId('products-value'), second.id)
    const old = await client.decode(encoded, { [SchemaType.AVRO]: { readerSchema: JSON.parse(product(id, title)) } })
    assert.deepEqual({ ...old }, { id: 'p1', title: null })
  })

  it('refuses a change that cannot read the data already written, with 409', async () => {
    const refused = await post('/subjects/products-value/versions', product(id, title, price))
    assert.equal(refused.status, 409)
    assert.match(JSON.stringify(refused.body), /products-value.*price/)
    const { body } = await post('/compatibility/subjects/products-value/versions/latest', product(id, title, price))
    assert.deepEqual(body, { is_compatible: false })
  })

  it('gives equal schemas one id, in every subject and spelling', async () => {
    const { body: ours } = await post('/subjects/products-value/versions', product(id))
    const spelled = JSON.stringify(
      { fields: [{ type: 'string', name: 'id' }], ...JSON.parse(product(id)) },
      undefined,
      2,
    )
    const { body: theirs } = await post('/subjects/elsewhere-value/versions', spelled)
    assert.deepEqual(theirs, ours)
  })

  it('answers what it does not know with Confluent’s codes', async () => {
    const code = async (method: string, path: string, body?: unknown) => {
      const answer = await call(method, path, body)
      assert.equal(answer.type, 'application/vnd.schemaregistry.v1+json')
      return [answer.status, (answer.body as { error_code: number }).error_code]
    }
    const schema = product({ name: 'other', type: 'int' })
    assert.deepEqual(await code('GET', '/subjects/nobody/versions'), [404, 40401])
    assert.deepEqual(await code('GET', '/subjects/products-value/versions/9'), [404, 40402])
    assert.deepEqual(await code('GET', '/subjects/products-value/versions/zero'), [422, 42202])
    assert.deepEqual(await code('GET', '/schemas/ids/999'), [404, 40403])
    assert.deepEqual(await code('POST', '/subjects/products-value', { schema }), [404, 40403])
    assert.deepEqual(await code('POST', '/subjects/x/versions', { schema: '{"type":"nope"}' }), [422, 42201])
    assert.deepEqual(await code('POST', '/subjects/x/versions', { schema: '{}', schemaType: 'JSON' }), [422, 42201])
    assert.deepEqual(await code('PUT', '/config', { compatibility: 'SOMETIMES' }), [422, 42203])
    assert.deepEqual(await code('GET', '/config/products-valuable'), [404, 40408])
    assert.deepEqual(await code('POST', '/subjects/x/versions', 'x'.repeat(2 ** 21)), [413, 413])
  })

  it('holds a subject to the level it was given', async () => {
    const subject = '/subjects/strict-value/versions'
    assert.equal((await call('PUT', '/config/strict-value', { compatibility: 'FULL' })).status, 200)
    assert.equal((await post(subject, product(id))).status, 200)
    assert.equal((await post(subject, product(id, { ...price, default: 0 }))).status, 200)
    assert.equal((await post(subject, product({ ...price, default: 0 }))).status, 409)
    await call('PUT', '/config/strict-value', { compatibility: 'NONE' })
    assert.equal((await post(subject, product(price))).status, 200)
  })

  it('numbers on after a subject was deleted', async () => {
    await post('/subjects/gone-value/versions', product(id))
    assert.deepEqual((await call('DELETE', '/subjects/gone-value')).body, [1])
    assert.equal((await call('GET', '/subjects/gone-value/versions')).status, 404)
    await post('/subjects/gone-value/versions', product(price))
    assert.deepEqual((await call('GET', '/subjects/gone-value/versions')).body, [2])
  })

  it('remembers everything over a restart', async () => {
    const paths = ['/subjects', '/schemas/ids/1', '/subjects/products-value/versions/latest', '/config/strict-value']
    const answers = () => Promise.all(paths.map(async (path) => (await call('GET', path)).body))
    const earlier = await answers()
    await stack.killRegistry()
    await stack.startRegistry()
    assert.deepEqual(await answers(), earlier)
    const { body } = await post('/subjects/new-value/versions', product({ name: 'fresh', type: 'long' }))
    assert.ok((body as { id: number }).id > 3, 'a new schema takes a new id')
  })
})
