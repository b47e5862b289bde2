import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { foldsOf } from '../../../src/core/cleaning/folds.ts'
import { nearDuplicates } from '../../../src/core/cleaning/near-duplicates.ts'

describe('near-duplicates', () => {
  it('are texts that differ in little', () => {
    const [a, b, c, d] = nearDuplicates([
      'stainless steel airtight storage container sl-1601',
      'desk lamp led',
      'stainless steel airtight storage container sl-1501',
      'night light',
    ])
    assert.equal(a, c)
    assert.equal(new Set([a, b, d]).size, 3)
  })

  it('equal texts are, the shortest and the emptiest too', () => {
    assert.deepEqual([...nearDuplicates(['', 'a', '', 'a'])], [0, 1, 0, 1])
  })

  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1'), maxLength: 12 })
  it('do not depend on the order of the texts', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 30 }), (texts) => {
        const forth = nearDuplicates(texts)
        const back = nearDuplicates([...texts].reverse()).reverse()
        assert.deepEqual([...back], [...forth])
      }),
    )
  })
})

describe('folds', () => {
  const groups = fc.array(fc.nat(40), { minLength: 1, maxLength: 200 }).map((list) => Int32Array.from(list))
  it('never part a group, and use every fold where there are groups enough', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 2, max: 6 }), fc.integer(), (list, folds, seed) => {
        const found = foldsOf(list, folds, seed)
        const of = new Map<number, number>()
        found.forEach((fold, row) => {
          assert.ok(fold >= 0 && fold < folds)
          assert.equal(of.get(list[row]!) ?? fold, fold)
          of.set(list[row]!, fold)
        })
        assert.equal(new Set(found).size, Math.min(folds, new Set(list).size))
      }),
    )
  })

  it('are even where groups are small, and others with another seed', () => {
    const singles = Int32Array.from({ length: 100 }, (_, row) => row)
    const found = foldsOf(singles, 4, 1)
    for (let fold = 0; fold < 4; fold++) assert.equal(found.filter((one) => one === fold).length, 25)
    assert.notDeepEqual(foldsOf(singles, 4, 2), found)
    assert.deepEqual(foldsOf(singles, 4, 1), found)
  })
})
