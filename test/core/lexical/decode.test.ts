import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { decode, decoded } from '../../../src/core/lexical/decode.ts'
import { tree } from '../../../src/core/lexical/tree.ts'
import { labelSet } from '../../../src/core/labels.ts'

const labels = labelSet([
  ['drinks', 'tea', 'green'],
  ['drinks', 'tea', 'black'],
  ['drinks', 'juice', 'apple'],
  ['food', 'fruit', 'apple'],
  ['food', 'fruit', 'pear'],
])
const paths = tree(labels)

function decodeOne(probabilities: readonly number[], shortlist: number, factors?: readonly number[]) {
  const out = decoded(1, paths, shortlist)
  decode(Float32Array.from(probabilities), 0, paths, shortlist, out, 0, factors && Float64Array.from(factors))
  return { best: [...out.best], scores: [...out.scores], levels: [...out.levels] }
}

describe('a tree', () => {
  it('numbers nodes level by level and knows the range of paths below each', () => {
    assert.deepEqual(paths.nodes, [2, 3, 5])
    assert.deepEqual([...paths.firstOf[0]!], [0, 3, 5])
    assert.deepEqual([...paths.nodeOf[1]!], [0, 1, 1, 2, 2])
  })
})

describe('decoding', () => {
  it('answers the most probable path, and sums its node over the paths below at each level', () => {
    const { best, levels } = decodeOne([0.125, 0.375, 0.25, 0.125, 0.125], 1)
    assert.deepEqual(labels.paths[best[0]!], ['drinks', 'tea', 'black'])
    assert.deepEqual(levels, [0.75, 0.625, 0.375])
  })

  it('ranks the runners-up', () => {
    const { best, scores } = decodeOne([0.125, 0.25, 0.0625, 0.5, 0.0625], 3)
    assert.deepEqual(best, [3, 1, 0])
    assert.deepEqual(scores, [0.5, 0.25, 0.125])
  })

  it('gives nothing where a probability is not finite', () => {
    for (const bad of [NaN, Infinity]) assert.deepEqual(decodeOne([0.5, bad, 0.25, 0.25, 0], 2).best, [-1, -1])
  })

  it('may decide against the prior and still reports the probability', () => {
    const { best, scores } = decodeOne([0.5, 0.25, 0.125, 0.0625, 0.0625], 2, [1, 4, 1, 1, 1])
    assert.deepEqual(best, [1, 0])
    assert.deepEqual(scores, [0.25, 0.5])
  })

  it('agrees with sorting, and levels never rise with depth, for any distribution', () => {
    const distribution = fc
      .array(fc.integer({ min: 0, max: 1000 }), { minLength: 5, maxLength: 5 })
      .filter((counts) => counts.some((count) => count > 0))
      .map((counts) => counts.map((count) => count / counts.reduce((sum, one) => sum + one, 0)))
    fc.assert(
      fc.property(distribution, fc.integer({ min: 1, max: 5 }), (probabilities, shortlist) => {
        const { best, scores, levels } = decodeOne(probabilities, shortlist)
        const sorted = [...Float32Array.from(probabilities)].sort((a, b) => b - a)
        assert.deepEqual(scores, sorted.slice(0, shortlist))
        assert.equal(new Set(best).size, shortlist)
        for (let level = 1; level < 3; level++) assert.ok(levels[level]! <= levels[level - 1]! + 1e-6)
      }),
    )
  })
})
