// Did-you-mean: near words are found, far ones are not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { closest } from '../../src/core/closest.ts'

const KEYS = ['brokers', 'client_id', 'group_prefix', 'thresholds', 'tiers', 'topic']

const table: { word: string; means: string | undefined }[] = [
  { word: 'broker', means: 'brokers' },
  { word: 'borkers', means: 'brokers' },
  { word: 'treshholds', means: 'thresholds' },
  { word: 'group-prefix', means: 'group_prefix' },
  { word: 'tier', means: 'tiers' },
  { word: 'brokers', means: 'brokers' },
  { word: 'something else', means: undefined },
  { word: 'x', means: undefined },
  { word: '', means: undefined },
]
for (const { word, means } of table)
  test(`"${word}" means ${means ?? 'nothing known'}`, () => assert.equal(closest(word, KEYS), means))

test('nothing to choose from is nothing found', () => assert.equal(closest('brokers', []), undefined))

test('a word with one letter changed, left out or doubled is found again', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KEYS), fc.nat(), fc.constantFrom('', 'q', 'qq'), (key, at, letters) => {
      const index = at % key.length
      assert.equal(closest(key.slice(0, index) + letters + key.slice(index + 1), KEYS), key)
    }),
  )
})

test('what is found is always one of the candidates', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (word, candidates) => {
      const found = closest(word, candidates)
      assert.ok(found === undefined || candidates.includes(found))
      if (word.length > 0 && candidates.includes(word)) assert.equal(found, word)
    }),
  )
})
