// Label sets: closed, sorted, one depth, and one way to write each path.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { labelSet, pathIndex, pathKey } from '../../src/core/labels.ts'

const name = fc.string({ minLength: 1, maxLength: 6 }).filter((text) => !text.includes('>'))

describe('a label set', () => {
  test('is sorted and holds each path once, however it was given', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 3 })
          .chain((levels) =>
            fc.array(fc.array(name, { minLength: levels, maxLength: levels }), { minLength: 1, maxLength: 20 }),
          ),
        (paths) => {
          const set = labelSet(paths)
          const again = labelSet([...paths, ...paths].reverse())
          assert.deepEqual(set, again)
          const keys = set.paths.map(pathKey)
          assert.deepEqual(keys, [...new Set(paths.map(pathKey))].sort())
          assert.equal(set.levels, paths[0]!.length)
          assert.deepEqual(
            [...pathIndex(set)],
            keys.map((key, index) => [key, index]),
          )
        },
      ),
    )
  })

  test('needs at least one path of at least one level', () => {
    assert.throws(() => labelSet([]), RangeError)
    assert.throws(() => labelSet([[]]), RangeError)
  })

  test('has one depth: the uneven path is named', () => {
    assert.throws(
      () =>
        labelSet([
          ['a', 'b'],
          ['a', 'b', 'c'],
        ]),
      /"a > b > c"/,
    )
  })

  test('refuses two different paths that are written the same', () => {
    assert.throws(
      () =>
        labelSet([
          ['a', 'b > c'],
          ['a > b', 'c'],
        ]),
      /"a > b > c"/,
    )
    assert.throws(() => labelSet([['a', 'b'], ['a > b']]), RangeError)
  })

  test('names like __proto__ are names', () => {
    const set = labelSet([['__proto__'], ['constructor'], ['a']])
    assert.deepEqual(set.paths, [['__proto__'], ['a'], ['constructor']])
    assert.equal(pathIndex(set).get('constructor'), 2)
  })
})
