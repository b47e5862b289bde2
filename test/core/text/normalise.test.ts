import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { NORMALISED_LENGTH_MAX, TEXT_LENGTH_MAX, normalise } from '../../../src/core/text/normalise.ts'

describe('normalise', () => {
  it('gives equal texts one spelling', () => {
    assert.equal(normalise('  Amul   Taaza\tMILK '), 'amul taaza milk')
    assert.equal(normalise('Ｆｕｌｌ ｗｉｄｔｈ ①'), 'full width 1')
    assert.equal(normalise('cafe\u0301'), normalise('CAFÉ'))
  })

  it('keeps accents', () => assert.notEqual(normalise('año'), normalise('ano')))

  it('removes what cannot be seen: zero width, bidi, byte order marks, controls', () => {
    assert.equal(normalise('\ufeffmi\u200blk\u202e\u00ad\u0000'), 'milk')
  })

  it('replaces lone surrogates instead of throwing', () => assert.equal(normalise('a\ud800b'), 'a\ufffdb'))

  it('leaves nothing of white space and invisible characters alone', () => {
    assert.equal(normalise(' \t\n\u200b\u2060 '), '')
  })

  it('answers hostile inputs quickly and within its length limit', () => {
    const hostile = [
      '\ufdfa'.repeat(1_000_000),
      'a' + '\u0301\u0316'.repeat(300_000),
      '\ud800'.repeat(200_000),
      ' '.repeat(1_000_000),
      '\u202e\u200b'.repeat(100_000),
      'x'.repeat(1_000_000),
    ]
    const start = performance.now()
    for (const text of hostile) assert.ok(normalise(text).length <= NORMALISED_LENGTH_MAX)
    // Milliseconds; uncapped, the marks alone take a minute. A machine that stands still meanwhile proves nothing.
    assert.ok(performance.now() - start < 10_000)
  })

  it('is idempotent for any short text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        const once = normalise(text)
        assert.equal(normalise(once), once)
      }),
    )
  })

  it('looks at the first code units only', () => {
    const text = 'ab '.repeat(TEXT_LENGTH_MAX)
    assert.equal(normalise(text), normalise(text.slice(0, TEXT_LENGTH_MAX)))
  })
})
