// What every codec promises, said once and run on the JSON codec in memory, on JSON and on Avro with a real registry.
// The registry is the one that SLUICE_REGISTRY names; without it its part is skipped, with the reason.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { createCodec } from '../../src/adapters/registry/codec.ts'
import { applySchemas, planSchemas } from '../../src/adapters/registry/schemas.ts'
import { SluiceError } from '../../src/core/error.ts'
import type { Codec, Decoded } from '../../src/ports/codec.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'

const REGISTRY = process.env['SLUICE_REGISTRY']
const noRegistry = REGISTRY === undefined ? 'SLUICE_REGISTRY names no registry (npm test starts one)' : false
const TOPIC = `contract.${randomUUID().slice(0, 8)}.products`
const BYTES_MAX = 10_000
const schema = JSON.parse(readFileSync(new URL('../../schemas/product.avsc', import.meta.url), 'utf8')) as object
const settings = { url: REGISTRY ?? '', timeout_ms: 30_000, record_bytes_max: BYTES_MAX }

const product = fc.record({
  id: fc.string({ unit: 'grapheme' }),
  title: fc.string({ unit: 'grapheme' }),
  brand: fc.option(fc.string({ unit: 'grapheme' })),
  price: fc.option(fc.record({ amount: fc.float({ noNaN: true, noDefaultInfinity: true }), currency: fc.string() })),
  updatedAt: fc.constant(null),
})
const PRODUCT = { id: 'p1', title: 'Käse 🧀', brand: 'X', price: { amount: 1.5, currency: 'EUR' }, updatedAt: null }

function codecContract(name: string, make: () => Promise<Codec>, skip: false | string = false): void {
  describe(`the codec contract, kept by ${name}`, { skip }, () => {
    let codec: Codec
    let whole: Buffer
    before(async () => {
      codec = await make()
      whole = (await codec.encode(TOPIC, [PRODUCT]))[0]!
    })
    const decode = async (...values: (Buffer | null)[]) => codec.decode(TOPIC, values)
    const plain = (decoded: Decoded) => (decoded.ok ? (JSON.parse(JSON.stringify(decoded.value)) as unknown) : decoded)

    test('what it encodes it decodes, value by value and in order', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(product, { maxLength: 10 }), async (products) => {
          const values = await codec.encode(TOPIC, products)
          assert.deepEqual((await decode(...values)).map(plain), JSON.parse(JSON.stringify(products)))
        }),
        { numRuns: 50 },
      )
    })

    test('values that were encoded together do not share bytes', async () => {
      const values = await codec.encode(TOPIC, [PRODUCT, { ...PRODUCT, id: 'p2' }])
      values[0]!.fill(0)
      const { ok, value } = (await decode(values[1]!))[0] as { ok: true; value: { id: string } }
      assert.deepEqual([ok, value.id], [true, 'p2'])
    })

    test('a value larger than the scratch space of the encoder is whole', async () => {
      const large = { ...PRODUCT, title: 'é'.repeat(4_000), brand: 'x' }
      assert.deepEqual((await decode((await codec.encode(TOPIC, [large]))[0]!)).map(plain), [large])
      const huge = await codec.encode(TOPIC, [{ ...PRODUCT, title: 'x'.repeat(100_000) }, PRODUCT])
      assert.ok(huge[0]!.length > 100_000)
      assert.deepEqual((await decode(huge[1]!)).map(plain), [PRODUCT])
    })

    test('a tombstone is refused as one', async () => {
      assert.deepEqual(await decode(null), [{ ok: false, reason: 'tombstone', detail: '' }])
    })

    test('a value beyond record_bytes_max is refused without being looked at', async () => {
      const [decoded] = await decode(Buffer.alloc(BYTES_MAX + 1))
      assert.deepEqual(decoded, { ok: false, reason: 'too-large', detail: `${BYTES_MAX + 1} bytes` })
    })

    test('empty, one byte, every truncation and a trailing byte are refused', async () => {
      const cuts = Array.from({ length: whole.length }, (_, length) => whole.subarray(0, length))
      const decoded = await decode(...cuts, Buffer.from([7]), Buffer.concat([whole, Buffer.from([7])]))
      for (const it of decoded) assert.equal(it.ok, false)
    })

    test('a bad value refuses itself only', async () => {
      const decoded = await decode(whole, null, Buffer.from([1]), whole)
      assert.deepEqual(
        decoded.map(({ ok }) => ok),
        [true, false, false, true],
      )
    })

    test('any bytes are decoded or refused, never thrown, and no text of theirs is in the detail', async () => {
      const secret = Buffer.from('top secret text')
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
          const [bare, framed] = await decode(
            Buffer.concat([bytes, secret]),
            Buffer.concat([whole.subarray(0, 5), bytes, secret]),
          )
          for (const it of [bare!, framed!]) if (!it.ok) assert.ok(!it.detail.includes('secret'))
        }),
      )
    })

    test('nothing in is nothing out', async () => {
      assert.deepEqual([await decode(), await codec.encode(TOPIC, [])], [[], []])
    })

    test('a topic that it has no schema for cannot be written', async () => {
      await assert.rejects(
        codec.encode('some.other.topic', [PRODUCT]),
        (error) => error instanceof SluiceError && error.code === 'SL302',
      )
    })
  })
}

codecContract('the JSON codec in memory', async () => memoryCodec([TOPIC], BYTES_MAX))
codecContract('JSON, without a registry', () =>
  createCodec({ ...settings, url: 'http://127.0.0.1:1' }, [{ topic: TOPIC, format: 'json' }]),
)
codecContract(
  'Avro with a registry',
  async () => {
    const subjects = [{ subject: `${TOPIC}-value`, schema }]
    await applySchemas(REGISTRY!, subjects, await planSchemas(REGISTRY!, 30_000, subjects))
    return createCodec(settings, [{ topic: TOPIC, format: 'avro', writes: schema }])
  },
  noRegistry,
)
