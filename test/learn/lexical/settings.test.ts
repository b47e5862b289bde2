import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelSet } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { LEXICAL, effortFor } from '../../../src/learn/lexical/settings.ts'

/** A tree of two levels. */
const treeOfPaths = (paths: number) =>
  treeOf(labelSet(Array.from({ length: paths }, (_, path) => [`top ${path % 10}`, `leaf ${path}`])))

describe('the effort of lexical training', () => {
  for (const [what, features, paths, times] of [
    ['short texts and few labels', 40, 150, 1.5],
    ['texts of 90 features and 200 labels', 90, 200, 1.44],
    ['texts of 105 features and 600 labels', 105, 600, 1],
    ['long texts', 190, 150, 1],
    ['thousands of labels', 40, 5000, 1],
  ] as const)
    it(`is ${times} times the usual for ${what}: passes are as many more as they are cheaper, half as many at most`, () => {
      const effort = effortFor(features, treeOfPaths(paths), LEXICAL)
      assert.ok(Math.abs(effort / LEXICAL.effort - times) < 0.01, String(effort / LEXICAL.effort))
    })

  it('is never less than what was asked for', () => {
    const settings = { ...LEXICAL, effort: 2 * LEXICAL.effortMax }
    assert.equal(effortFor(40, treeOfPaths(150), settings), settings.effort)
  })
})
