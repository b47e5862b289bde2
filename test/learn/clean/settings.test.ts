import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cleaner } from '../../../src/learn/clean/settings.ts'
import { epochsFor } from '../../../src/learn/lexical/settings.ts'

describe('the model that judges labels', () => {
  for (const [rows, labels, passes] of [
    [12_000, 96, 5],
    [72_000, 96, 5],
    [12_000, 480, 10],
    [1_800, 146, 20],
  ] as const)
    it(`passes ${passes} times over ${rows} rows of ${labels} labels: the fewer rows a label, the more often`, () => {
      assert.equal(epochsFor(rows, cleaner(rows, labels)), passes)
    })
})
