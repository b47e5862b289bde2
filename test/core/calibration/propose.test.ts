// What a training proposes: thresholds that pass exactly what was certified, on probabilities as they will be served.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  loosestThreshold,
  proposeThresholds,
  thresholdsText,
  uncertifiedText,
} from '../../../src/core/calibration/propose.ts'
import { calibrationError } from '../../../src/core/metrics.ts'
import { random } from '../../../src/core/random.ts'
import type { LevelHits } from '../../../src/core/calibration/propose.ts'

/** Two levels of a calibrated model, mostly sure, sharpened by the power. */
function levels(rows: number, power: number, seed = 1): LevelHits[] {
  const next = random(seed)
  const sharp = (probability: number) => 1 / (1 + ((1 - probability) / probability) ** power)
  const leaf = Float64Array.from({ length: rows }, () => 1 - 0.5 * next() ** 3)
  const top = leaf.map((own) => own + (1 - own) * 0.6)
  const pick = leaf.map(() => next())
  return [top, leaf].map((own) => ({
    probabilities: Float32Array.from(own, sharp),
    hits: Uint8Array.from(own, (probability, row) => (pick[row]! < probability ? 1 : 0)),
  }))
}

describe('proposed thresholds', () => {
  for (const power of [1, 2])
    test(`pass exactly the rows that were certified, with the distribution to the power ${power}`, () => {
      const { thresholds, certificate, served } = proposeThresholds(levels(3000, power), 0.95, power)
      const passing = served[1]!.probabilities
        .map((_, row) => (served.every((own, level) => own.probabilities[row]! >= thresholds[level]! - 1e-6) ? 1 : 0))
        .reduce((sum, one) => sum + one, 0)
      assert.equal(passing, certificate!.passed)
      assert.ok(certificate!.bound >= 0.95 && passing > 1000, `${certificate!.bound} ${passing}`)
      assert.deepEqual(thresholds, [certificate!.threshold, certificate!.threshold])
    })

  test('undo with their maps what sharpening does to calibration, and never rise with depth', () => {
    const given = levels(3000, 2)
    const { served, isotonic } = proposeThresholds(given, 0.95, 2)
    assert.ok(calibrationError(given[1]!.probabilities, given[1]!.hits) > 0.02)
    assert.ok(calibrationError(served[1]!.probabilities, served[1]!.hits) < 0.01)
    served[1]!.probabilities.forEach((own, row) => assert.ok(own <= served[0]!.probabilities[row]!))
    assert.equal(isotonic!.length, 2)
  })

  test('ask known titles where they rank answers better: more pass at the same promise', () => {
    const given = levels(4000, 2)
    const next = random(7)
    const telling = given.map(({ hits }) => Float32Array.from(hits, (hit) => next() - (hit === 1 ? 0 : 0.8)))
    const plain = proposeThresholds(given, 0.95, 2)
    const asked = proposeThresholds(given, 0.95, 2, telling)
    assert.equal(asked.nearness!.length, 2)
    assert.equal(asked.isotonic!.length, 2)
    assert.ok(asked.certificate!.passed > 1.1 * plain.certificate!.passed)
    assert.ok(calibrationError(asked.served[1]!.probabilities, given[1]!.hits) < 0.01)
    asked.served[1]!.probabilities.forEach((own, row) => assert.ok(own <= asked.served[0]!.probabilities[row]!))
  })

  test('ask no known titles where those say nothing, or anything', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const given = levels(2000, 2, seed)
      const next = random(seed + 100)
      for (const value of [() => 0, () => 2 * next() - 1]) {
        const nearness = given.map(({ hits }) => Float32Array.from(hits, value))
        assert.deepEqual(proposeThresholds(given, 0.95, 2, nearness), proposeThresholds(given, 0.95, 2))
      }
    }
  })

  test('leave a calibrated distribution as it is', () => {
    const given = levels(500, 1)
    const { served, isotonic } = proposeThresholds(given, 0.95)
    assert.equal(isotonic, undefined)
    assert.deepEqual(served, given)
  })

  test('of too few rows are the loosest that look right, and say that nothing was certified', () => {
    const { thresholds, certificate, said } = proposeThresholds(levels(60, 1), 0.97)
    assert.equal(certificate, undefined)
    assert.equal(thresholds.length, 2)
    assert.match(said, /not certified .* rows are needed.*sluice calibrate/)
  })
})

describe('thresholds for people', () => {
  test('have four digits that count, and none that do not', () =>
    assert.equal(thresholdsText([0.0008945717185400486, 0.98765432, 0.9]), '0.0008946 / 0.9877 / 0.9'))
  test('that nothing certified say so, and which command does', () =>
    assert.match(uncertifiedText([0.8021]), /^proposed thresholds 0.8021, not certified.*sluice calibrate --model/))
})

describe('a threshold without a certificate', () => {
  test('is the loosest that keeps the precision', () => {
    assert.equal(loosestThreshold([0.95, 0.85, 0.75, 0.65], [1, 1, 1, 0], 0.97), 0.66)
  })
  test('is .99 where none keeps it', () => assert.equal(loosestThreshold([0.5, 0.6], [0, 0], 0.97), 0.99))
})
