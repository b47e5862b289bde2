// Which patterns of a shop are taken: none that a text could hold up.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { refusal } from '../../../src/core/llm/pattern.ts'

describe('a pattern of the shop', () => {
  for (const source of [
    'K-\\d{4}',
    '\\d+',
    '.*b',
    '[A-Z]{2}\\d{6,10}',
    '(?:\\d{2} ?){1,5}',
    '(?<=IBAN )[A-Z\\d]{15,34}',
    '[\\]\\\\]{3}',
    '(?:foo|bar|baz){1,3}',
    '\\u{1F600}+z',
    '\\p{Lu}{2,3}[)]',
  ])
    test(`${source} is taken`, () => assert.equal(refusal(source), undefined))

  for (const [source, why] of [
    ['(a+)+', /too many ways/],
    ['(a|a)*b', /too many ways/],
    ['(?:x?){40}y', /too many ways/],
    ['\\d+-\\d+', /too many ways/],
    ['a.*b.*c', /too many ways/],
    ['((a{1,9}){1,9}){1,9}', /too many ways/],
    ['(?=(a+))b+c', /too many ways/],
    ['(ab)\\1', /refers back/],
    ['(?<n>ab)\\k<n>', /refers back/],
    ['(?i:abc)', /not understood/],
    ['a*', /matches where there is nothing/],
    ['(', /no regular expression/],
    ['x'.repeat(501), /longer than/],
  ] as const)
    test(`${source.slice(0, 30)} is refused`, () => assert.match(refusal(source) ?? '', why))

  test('that is taken is done with the worst of texts at once', () => {
    for (const source of ['\\d+x', '(?:a|aa|aaa){1,5}b', '(?:a{1,4}){1,4}b', '(?:a?b?){1,2}c']) {
      assert.equal(refusal(source), undefined, source)
      for (const char of ['1', 'a'])
        assert.equal(char.repeat(2_400).replace(new RegExp(source, 'gu'), ''), char.repeat(2_400))
    }
  })
})
