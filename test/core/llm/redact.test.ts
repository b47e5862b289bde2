// What an LLM must not see: found as people write it, with the rest of the text left as it was.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { REDACTIONS, redactor } from '../../../src/core/llm/redact.ts'

const redact = redactor({ kinds: REDACTIONS, patterns: {} })

describe('redaction', () => {
  const TABLE: readonly (readonly [string, string])[] = [
    ['mug, ask anna.b+x@mail.example.org today', 'mug, ask [email] today'],
    ['Käse von jürgen@käse.example', 'Käse von [email]'],
    ['call +49 (0)30 1234-5678 now', 'call [phone] now'],
    ['call 0049 30 123 456 78', 'call [phone]'],
    ['(555) 123-4567 ext', '[phone] ext'],
    ['card 4111 1111 1111 1111', 'card [phone]'],
    ['order no 20260817123', 'order no [phone]'],
    ['ean x4006381333931x', 'ean x[digits]x'],
    ['screws 4 x 40 mm, 100 pcs, 2.5 kg', 'screws 4 x 40 mm, 100 pcs, 2.5 kg'],
    ['usb 3.2 1000 mbit 2026', 'usb 3.2 1000 mbit 2026'],
    ['a@b', 'a@b'],
  ]
  for (const [text, expected] of TABLE)
    test(`"${text}"`, () => {
      assert.equal(redact(text), expected)
    })

  test('leaves no address and no run of eight digits, wherever they stand', () => {
    const name = fc
      .string({ unit: fc.constantFrom(...'abz09._-'), minLength: 1, maxLength: 20 })
      .filter((it) => /[a-z0-9]/.test(it))
    const number = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 8, maxLength: 20 })
    fc.assert(
      fc.property(fc.string(), name, number, fc.string(), (before, who, digits, after) => {
        const text = redact(`${before} ${who}x@shop.example ${digits} ${after}`)
        assert.ok(!text.includes('@shop.example'))
        assert.ok(!/\d{8}/.test(text))
      }),
    )
  })

  test('takes out what the shop names, first', () => {
    const own = redactor({ kinds: ['email'], patterns: { customer: /K-\d{4}/gu } })
    assert.equal(own('for K-1234, k@x.example, 12345678'), 'for [customer], [email], 12345678')
  })

  test('does only what is asked', () => {
    assert.equal(redactor({ kinds: [], patterns: {} })('a@b.example 123456789'), 'a@b.example 123456789')
  })

  test('time grows with the text, not faster', () => {
    for (const unit of ['a', '1', '1 ', 'a@', '(', '+', '1-', 'a.'])
      assert.equal(typeof redact(unit.repeat(20_000)), 'string')
  })
})
