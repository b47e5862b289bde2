import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { align, editDistance } from '../../../src/core/pair/match.ts'
import { words } from '../../../src/core/pair/words.ts'

const likeness = (query: string, title: string) =>
  Array.from(align(words(query).words, words(title).words).likeness, (value) => Math.round(value * 100) / 100)

describe('aligning the words of a query with a title', () => {
  it('finds the same word in another form', () => {
    assert.deepEqual(likeness('batteries', 'Battery AA'), [1])
  })

  it('forgives a typo and joined or parted words', () => {
    assert.ok(likeness('pedistal', 'Pedestal sink')[0]! > 0.7)
    assert.deepEqual(likeness('paint brush', 'Paintbrush 2 in.'), [0.95, 0.95])
    assert.deepEqual(likeness('paintbrush', 'Paint brush'), [0.95])
  })

  it('never takes one number for another', () => {
    assert.deepEqual(likeness('18v', 'Drill 20 V'), [0])
    assert.deepEqual(likeness('18v', 'Drill 18 V'), [1])
    assert.deepEqual(likeness('18 drill', 'Drill 18 V'), [0.8, 1])
    assert.deepEqual(likeness('18 in', 'Drill 18 V'), [0])
  })

  it('measures edits as a distance: symmetric, zero only for equal words, one for a swap', () => {
    assert.equal(editDistance('hammer', 'hamemr', 2), 1)
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        const forth = editDistance(a, b, 9)
        assert.equal(forth, editDistance(b, a, 9))
        assert.equal(forth === 0, a === b)
        assert.ok(forth <= Math.max(a.length, b.length))
      }),
    )
  })
})
