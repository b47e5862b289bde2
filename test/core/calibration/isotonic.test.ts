// Isotonic regression: never turns an order round, and is the best fit that does not.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { fitIsotonic, isotonicAt, isotonicLevels } from '../../../src/core/calibration/isotonic.ts'

const rows = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 50 }).map((score) => score / 50),
    fc.constantFrom(0, 1),
  ),
  {
    minLength: 1,
    maxLength: 80,
  },
)
const fitOf = (pairs: readonly (readonly [number, number])[]) =>
  fitIsotonic(
    pairs.map(([score]) => score),
    pairs.map(([, hit]) => hit),
  )

describe('isotonic regression', () => {
  test('pools neighbours that are out of order', () => {
    const { at, value } = fitIsotonic([0.1, 0.2, 0.3, 0.4, 0.5], [0, 1, 0, 1, 1])
    assert.deepEqual(value, [0, 0.5, 1])
    at.forEach((one, index) => assert.ok(Math.abs(one - [0.1, 0.25, 0.45][index]!) < 1e-12))
  })

  test('takes equal scores as one point and nothing as the identity', () => {
    assert.deepEqual(fitIsotonic([0.5, 0.5, 0.5, 0.5], [1, 0, 1, 1]), { at: [0.5], value: [0.75] })
    assert.equal(isotonicAt(fitIsotonic([], []), 0.3), 0.3)
  })

  test('never falls, stays within [0, 1], and keeps the mean', () => {
    fc.assert(
      fc.property(rows, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2 }), (pairs, scores) => {
        const map = fitOf(pairs)
        map.at.forEach((at, index) => assert.ok(index === 0 || at > map.at[index - 1]!))
        const mapped = scores.toSorted((a, b) => a - b).map((score) => isotonicAt(map, score))
        mapped.forEach((value, index) => assert.ok(value >= 0 && value <= 1 && value >= (mapped[index - 1] ?? 0)))
      }),
    )
  })

  test('never falls by a last bit either, where rounding would carry a line beyond its end', () => {
    const map = { at: [0.3, 1], value: [1 / 18, 1 / 3] }
    assert.ok(isotonicAt(map, 1 - 2 ** -53) <= isotonicAt(map, 1))
  })

  test('fitted to its own values gives the same values', () => {
    fc.assert(
      fc.property(rows, (pairs) => {
        const map = fitOf(pairs)
        const again = fitIsotonic(map.at, map.value)
        map.at.forEach((at, index) => assert.ok(Math.abs(isotonicAt(again, at) - map.value[index]!) < 1e-12))
      }),
    )
  })

  test('has no better neighbour: the pools’ fit beats any other non-decreasing one that is tried', () => {
    const loss = (pairs: readonly (readonly [number, number])[], value: (score: number) => number) =>
      pairs.reduce((sum, [score, hit]) => sum + (value(score) - hit) ** 2, 0)
    fc.assert(
      fc.property(
        rows,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (pairs, low, high) => {
          const { at, value } = fitOf(pairs)
          // The step function of the pools: each row has the value of the pool it lies in.
          const pooled = (score: number) => {
            const scores = [...new Set(pairs.map((pair) => pair[0]))].sort((a, b) => a - b)
            let pool = 0
            const own: number[] = []
            let sum = 0
            let count = 0
            for (const one of scores) {
              const here = pairs.filter((pair) => pair[0] === one).length
              sum += one * here
              count += here
              own.push(pool)
              if (Math.abs(sum / count - at[pool]!) < 1e-9) {
                pool++
                sum = 0
                count = 0
              }
            }
            return value[own[scores.indexOf(score)]!]!
          }
          const other = (score: number) => (score < 0.5 ? Math.min(low, high) : Math.max(low, high))
          assert.ok(loss(pairs, pooled) <= loss(pairs, other) + 1e-9)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('on the levels of answers keeps probabilities from rising with depth', () => {
    const maps = [
      { at: [0, 1], value: [0, 0.5] },
      { at: [0, 1], value: [0.4, 1] },
    ]
    const levels = Float32Array.from([0.8, 0.6, 1, 0])
    isotonicLevels(maps, levels)
    assert.deepEqual(
      [...levels].map((value) => Math.round(value * 100) / 100),
      [0.4, 0.4, 0.5, 0.4],
    )
  })
})
