// The walk over Avro bytes before they are decoded: what avsc writes it lets pass, what is cut or claims too much it
// refuses, whatever the schema. No registry needed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import avsc from 'avsc'
import * as fc from 'fast-check'
import { needsScan, scan, UnsafeAvro } from '../../src/adapters/registry/safe-avro.ts'

/** A schema (without names, which must be unique) beside an arbitrary of its values. */
interface Case {
  readonly schema: unknown
  readonly value: fc.Arbitrary<unknown>
}

const leaf: fc.Arbitrary<Case> = fc.constantFrom<Case[]>(
  { schema: 'null', value: fc.constant(null) },
  { schema: 'boolean', value: fc.boolean() },
  { schema: 'int', value: fc.integer() },
  { schema: 'long', value: fc.integer({ min: 2 - 2 ** 53, max: 2 ** 53 - 2 }) },
  { schema: 'float', value: fc.float({ noNaN: true }) },
  { schema: 'double', value: fc.double({ noNaN: true }) },
  { schema: 'string', value: fc.string({ unit: 'binary' }) },
  { schema: 'bytes', value: fc.uint8Array().map((it) => Buffer.from(it)) },
  { schema: { type: 'enum', symbols: ['A', 'B'] }, value: fc.constantFrom('A', 'B') },
  {
    schema: { type: 'fixed', size: 3 },
    value: fc.uint8Array({ minLength: 3, maxLength: 3 }).map((it) => Buffer.from(it)),
  },
)

const { any } = fc.letrec<{ any: Case }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    tie('any').map(({ schema, value }) => ({
      schema: { type: 'array', items: schema },
      value: fc.array(value, { maxLength: 4 }),
    })),
    tie('any').map(({ schema, value }) => ({
      schema: { type: 'map', values: schema },
      value: fc.dictionary(fc.string(), value, { maxKeys: 4, noNullPrototype: true }),
    })),
    leaf.map(({ schema, value }) =>
      schema === 'null' ? { schema, value } : { schema: ['null', schema], value: fc.option(value) },
    ),
    fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((fields) => ({
      schema: { type: 'record', fields: fields.map(({ schema }, index) => ({ name: `f${index}`, type: schema })) },
      value: fc
        .tuple(...fields.map(({ value }) => value))
        .map((values) => Object.fromEntries(values.map((value, index) => [`f${index}`, value]))),
    })),
  ),
}))

/** Any type with one of its values, as bytes after a prefix of five. */
const encoded = any.chain(({ schema, value }) => {
  const type = avsc.Type.forSchema(schema as never, { wrapUnions: false })
  return value.map((it) => ({ type, bytes: Buffer.concat([Buffer.alloc(5), type.toBuffer(it)]) }))
})

function refused(type: avsc.Type, bytes: Buffer): boolean {
  try {
    scan(type, bytes, 5)
    return false
  } catch (error) {
    assert.ok(error instanceof UnsafeAvro, String(error))
    return true
  }
}

describe('the walk over Avro bytes', () => {
  test('lets pass whatever avsc writes', () => {
    fc.assert(fc.property(encoded, ({ type, bytes }) => scan(type, bytes, 5)))
  })

  test('refuses every truncation, and a byte too many', () => {
    fc.assert(
      fc.property(encoded, ({ type, bytes }) => {
        for (let length = 5; length < bytes.length; length++) assert.ok(refused(type, bytes.subarray(0, length)))
        assert.ok(refused(type, Buffer.concat([bytes, Buffer.from([0])])))
      }),
    )
  })

  test('damaged bytes that it lets pass decode or are refused by avsc in bounded time; nothing else is thrown', () => {
    fc.assert(
      fc.property(encoded, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (it, damage) => {
        const { type } = it
        const bytes = Buffer.from(it.bytes)
        for (const [at, value] of damage) if (bytes.length > 5) bytes[5 + (at % (bytes.length - 5))] = value
        if (refused(type, bytes)) return
        const began = process.threadCpuUsage()
        try {
          type.fromBuffer(bytes.subarray(5))
        } catch {}
        const { user, system } = process.threadCpuUsage(began)
        assert.ok(user + system < 500_000, `${user + system} µs of the processor`)
      }),
    )
  })

  test('random bytes are walked or refused, never anything else', () => {
    fc.assert(
      fc.property(encoded, fc.uint8Array({ maxLength: 40 }), ({ type }, bytes) => {
        refused(type, Buffer.concat([Buffer.alloc(5), bytes]))
      }),
    )
  })

  test('empty elements are counted over the whole value, not an array at a time', () => {
    const grid = avsc.Type.forSchema({ type: 'array', items: { type: 'array', items: 'null' } } as never)
    const rows = (count: number) => Array.from({ length: count }, () => Array.from({ length: 5_000 }, () => null))
    const bytesOf = (count: number) => Buffer.concat([Buffer.alloc(5), grid.toBuffer(rows(count))])
    assert.equal(refused(grid, bytesOf(2)), false)
    assert.equal(refused(grid, bytesOf(3)), true)
  })

  test('is needed only where a schema can repeat or recurse', () => {
    const type = (schema: unknown) => avsc.Type.forSchema(schema as never)
    const record = (...types: unknown[]) =>
      type({ type: 'record', name: 'R', fields: types.map((it, index) => ({ name: `f${index}`, type: it })) })
    assert.equal(needsScan(record('string', ['null', 'int'], { type: 'enum', name: 'E', symbols: ['A'] })), false)
    assert.equal(needsScan(record('string', { type: 'array', items: 'string' })), true)
    assert.equal(needsScan(record(['null', { type: 'map', values: 'string' }])), true)
    assert.equal(needsScan(record(['null', 'R'])), true)
    assert.equal(needsScan(type('string')), false)
  })
})

describe('types that are decoded without the walk', () => {
  test('decode, or are refused by avsc: hostile lengths cost neither time nor memory', () => {
    const flat = avsc.Type.forSchema({
      type: 'record',
      name: 'Flat',
      fields: ['id', 'title'].map((name) => ({ name, type: 'string' })),
    } as never)
    for (const bytes of [[1], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], [2, 65, 1], [1, 1, 1], []])
      assert.throws(() => flat.fromBuffer(Buffer.from(bytes)))
  })
})
