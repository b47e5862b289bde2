import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { calibrationError, measure } from '../../src/core/metrics.ts'
import type { Judged } from '../../src/core/metrics.ts'

const judged = (gold: string, label: string | undefined, probabilities: number[], ...more: string[]): Judged => ({
  gold: gold.split('/'),
  label: label?.split('/'),
  probabilities,
  shortlist: [label, ...more].filter((path) => path !== undefined).map((path) => path.split('/')),
})

describe('metrics', () => {
  const metrics = measure(
    [
      judged('a/x', 'a/x', [0.9, 0.8]),
      judged('a/x', 'a/y', [0.9, 0.4], 'a/x'),
      judged('b/x', 'a/x', [0.6, 0.6]),
      judged('b/x', undefined, []),
    ],
    2,
    [0.7, 0.5],
  )

  it('count a deeper level only where the whole path is right', () => {
    assert.deepEqual(metrics.accuracy, { l1: 0.5, l2: 0.25 })
  })

  it('count an item the model failed on as wrong and not covered', () => {
    assert.equal(metrics.items, 4)
    assert.equal(metrics.coverage, 0.25)
    assert.equal(metrics.selectiveAccuracy, 1)
  })

  it('give precision, recall and F1 for each whole path', () => {
    assert.deepEqual(metrics.perClass['a > x'], { precision: 0.5, recall: 0.5, f1: 0.5, support: 2 })
    assert.deepEqual(metrics.perClass['b > x'], { precision: 0, recall: 0, f1: 0, support: 2 })
  })

  it('average F1 over the classes of the data: one that is only answered is none of them', () => {
    assert.equal(metrics.perClass['a > y']?.support, 0)
    assert.equal(metrics.macroF1, 0.5 / 2)
  })

  it('look for the gold path in the short list', () => assert.equal(metrics.top3, 0.5))

  it('of nothing are zero, never NaN', () => {
    const nothing = measure([], 1, [0.5])
    assert.deepEqual(
      { ...nothing, perClass: {} },
      { ...nothing, macroF1: 0, ece: 0, coverage: 0, selectiveAccuracy: 0 },
    )
  })
})

describe('the calibration error', () => {
  it('is nothing where confidence is accuracy, and the gap where it is not', () => {
    assert.ok(Math.abs(calibrationError([0.5, 0.5], [1, 0])) < 1e-12)
    assert.ok(Math.abs(calibrationError([0.9, 0.9], [1, 0]) - 0.4) < 1e-12)
  })
})
