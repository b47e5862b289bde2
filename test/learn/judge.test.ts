// One judgement for every kind: of distributions that lie there whole, and of those made row by row from logits.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { labelSet } from '../../src/core/labels.ts'
import { tree as treeOf } from '../../src/core/lexical/tree.ts'
import { normal, random } from '../../src/core/random.ts'
import { distributions, distributionsOf, judge } from '../../src/learn/judge.ts'

const tree = treeOf(labelSet(Array.from({ length: 12 }, (_, at) => [`l${at % 3}`, `leaf ${at}`])))

/** Logits of noisy heads, in which the gold path's nodes stand out. */
function logitsOf(rows: number, noise: number) {
  const next = random(1)
  const gold = Int32Array.from({ length: rows }, () => Math.floor(next() * tree.paths))
  const logits = tree.nodes.map((nodes, level) =>
    Float32Array.from({ length: rows * nodes }, (_, at) => {
      const own = tree.nodeOf[level]![gold[Math.floor(at / nodes)]!] === at % nodes
      return (own ? 4 : 0) + noise * normal(next)
    }),
  )
  return { rows, logits, gold }
}

describe('a judgement', () => {
  test('is the same of rows made one by one as of rows that lie there whole', () => {
    const data = logitsOf(800, 2)
    const one = distributionsOf(data, tree, [1, 1])
    const whole = new Float32Array(data.rows * tree.paths)
    for (let row = 0; row < data.rows; row++) whole.set(one.of(row), row * tree.paths)
    const judged = judge(one, tree, 0.97)
    assert.deepEqual(judged, judge(distributions(whole, data.gold, tree), tree, 0.97))
    const [top, leaf] = judged.accuracy as [number, number]
    assert.ok(leaf > 0.5 && leaf < top && leaf <= judged.top3 && judged.top3 <= judged.top5, JSON.stringify(judged))
  })

  test('of sharpened distributions is of them as served: calibrated again', () => {
    const data = logitsOf(3000, 2)
    const sharp = distributionsOf(data, tree, [0.5, 0.5])
    const [served, plain] = [judge(sharp, tree, 0.97, 2), judge(sharp, tree, 0.97)]
    assert.equal(served.isotonic?.length, 2)
    assert.equal(plain.isotonic, undefined)
    assert.ok(served.ece < plain.ece / 2, `${served.ece} ${plain.ece}`)
  })

  test('of no rows is all nought', () => {
    const { accuracy, coverage, selectiveAccuracy } = judge(distributionsOf(logitsOf(0, 1), tree, [1, 1]), tree, 0.97)
    assert.deepEqual([...accuracy, coverage, selectiveAccuracy], [0, 0, 0, 0])
  })
})
