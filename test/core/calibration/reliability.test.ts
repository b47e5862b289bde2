// Reliability bins and the area under risk–coverage.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reliabilityBins, riskCoverageArea } from '../../../src/core/calibration/reliability.ts'

describe('reliability bins', () => {
  test('hold mean probability, share of hits and its interval; empty ones are left out', () => {
    const bins = reliabilityBins([0.95, 0.91, 0.2, 1, 0], [1, 0, 1, 1, 0], 10)
    assert.deepEqual(
      bins.map(({ rows }) => rows),
      [1, 1, 3],
    )
    const [zero, low, high] = bins
    assert.equal(zero!.hits, 0)
    assert.equal(low!.probability, 0.2)
    assert.ok(Math.abs(high!.hits - 2 / 3) < 1e-12)
    assert.ok(bins.every(({ hits, interval: [from, to] }) => from <= hits && hits <= to))
  })
  test('leave NaN out', () => assert.deepEqual(reliabilityBins([NaN], [1]), []))
})

describe('the area under risk–coverage', () => {
  test('is smallest where errors have the lowest probabilities', () => {
    assert.equal(riskCoverageArea([0.9, 0.8, 0.1], [1, 1, 0]), (0 + 0 + 1 / 3) / 3)
    assert.ok(riskCoverageArea([0.1, 0.8, 0.9], [1, 1, 0]) > riskCoverageArea([0.9, 0.8, 0.1], [1, 1, 0]))
  })
})
