// Templates: what parses, what is refused, and that a record can give nothing but its own fields.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import { parseTemplate, readField, render } from '../../src/core/template.ts'

const text = (source: string, record: unknown) => render(parseTemplate(source), record)

describe('a template', () => {
  const good: { source: string; record: unknown; gives: string; missing?: string }[] = [
    { source: '', record: {}, gives: '' },
    { source: 'plain', record: {}, gives: 'plain' },
    { source: '{title}', record: { title: 'Brie' }, gives: 'Brie' },
    { source: '{brand} {title}', record: { brand: 'X', title: 'Brie' }, gives: 'X Brie' },
    { source: '{id}/{c.id}', record: { id: 7, c: { id: 8n } }, gives: '7/8' },
    { source: '{brand?}', record: {}, gives: '' },
    { source: '{brand?}', record: { brand: null }, gives: '' },
    { source: '{brand?}', record: { brand: { a: 1 } }, gives: '' },
    { source: '{a.b.c?}', record: { a: { b: null } }, gives: '' },
    { source: '{title}', record: {}, gives: '', missing: 'title' },
    { source: '{title}', record: { title: '' }, gives: '', missing: 'title' },
    { source: '{title}', record: { title: ['a'] }, gives: '', missing: 'title' },
    { source: '{title}', record: { title: true }, gives: '', missing: 'title' },
    { source: '{title}', record: { title: Number.NaN }, gives: '', missing: 'title' },
    { source: '{title}', record: null, gives: '', missing: 'title' },
    { source: '{title}', record: 'text', gives: '', missing: 'title' },
    { source: '{length}', record: 'text', gives: '', missing: 'length' },
    { source: '{a.b}-{c}', record: { c: 'x' }, gives: '-x', missing: 'a.b' },
    { source: '{price}', record: { price: 0 }, gives: '0' },
    { source: '{__proto__}', record: {}, gives: '', missing: '__proto__' },
    { source: '{constructor.name}', record: {}, gives: '', missing: 'constructor.name' },
    { source: '{toString?}', record: {}, gives: '' },
    { source: '{__proto__.x}', record: JSON.parse('{"__proto__": {"x": "own"}}'), gives: 'own' },
  ]
  for (const { source, record, gives, missing } of good)
    test(`${JSON.stringify(source)} of ${say(record)}: ${missing ? `${missing} is missing` : JSON.stringify(gives)}`, () => {
      assert.deepEqual(text(source, record), { text: gives, missing })
    })

  for (const source of [
    '{',
    '}',
    '{}',
    '{?}',
    '{a',
    'a}',
    '{a.}',
    '{.a}',
    '{a b}',
    '{a}}',
    '{{a}}',
    '{1a}',
    '{a??}',
    '{ä}',
  ])
    test(`${JSON.stringify(source)} is refused, and quoted in the message`, () => {
      assert.throws(
        () => parseTemplate(source),
        (error: Error) => error instanceof SyntaxError && error.message.includes(source),
      )
    })

  test('whatever the text, it parses or throws SyntaxError', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '?', '.', 'a', '_', '1', ' ', '__proto__') }),
        (source) => {
          try {
            assert.equal(parseTemplate(source).source, source)
          } catch (error) {
            assert.ok(error instanceof SyntaxError)
          }
        },
      ),
    )
  })

  test('text without braces renders as itself; any record is survived', () => {
    fc.assert(
      fc.property(fc.string(), fc.anything(), (plain, record) => {
        const without = plain.replace(/[{}]/g, '')
        assert.equal(text(without, record).text, without)
        assert.equal(typeof text('{a.b?}{__proto__?}', record).text, 'string')
      }),
    )
  })

  test('a field path reads own properties only', () => {
    assert.equal(readField(Object.create({ a: 1 }), ['a']), undefined)
    assert.equal(readField({ a: { b: 2 } }, ['a', 'b']), 2)
    assert.equal(readField([1], ['length']), 1)
    assert.equal(readField(undefined, ['a']), undefined)
  })
})

function say(record: unknown): string {
  return inspect(record, { breakLength: Infinity })
}
