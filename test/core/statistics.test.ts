// Intervals and tests against published figures, against brute force, and by what must hold for any counts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { holm, mcNemar, pairedDifference, quantile, wilson } from '../../src/core/statistics.ts'
import { seed } from '../support/llm.ts'

const near = (value: number, wanted: number, within = 5e-5) =>
  assert.ok(Math.abs(value - wanted) <= within, `${value} is not ${wanted}`)

const counts = fc.nat(5_000).chain((of) => fc.tuple(fc.nat(of), fc.constant(of)))

describe('Wilson’s interval of a share', () => {
  // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
  for (const { right, of, low, high } of [
    { right: 81, of: 263, low: 0.2553, high: 0.3662 },
    { right: 15, of: 148, low: 0.0624, high: 0.1605 },
    { right: 0, of: 20, low: 0, high: 0.1611 },
    { right: 1, of: 29, low: 0.0061, high: 0.1718 },
  ])
    test(`${right} of ${of} is ${low} to ${high}`, () => {
      const interval = wilson(right, of)
      near(interval.low, low)
      near(interval.high, high)
    })

  test('says nothing of no items', () => assert.deepEqual(wilson(0, 0), { low: 0, high: 1 }))

  test('holds the share, lies within [0, 1], and is mirrored for the items that are wrong', (t) => {
    fc.assert(
      fc.property(counts, ([right, of]) => {
        const { low, high } = wilson(right, of)
        const mirrored = wilson(of - right, of)
        assert.ok(low >= 0 && high <= 1)
        if (of > 0) assert.ok(low <= right / of && right / of <= high)
        near(mirrored.low, 1 - high, 1e-12)
        near(mirrored.high, 1 - low, 1e-12)
      }),
      { seed: seed(t) },
    )
  })

  test('is narrower for four times the items', (t) => {
    fc.assert(
      fc.property(counts, ([right, of]) => {
        fc.pre(of > 0)
        const [few, many] = [wilson(right, of), wilson(4 * right, 4 * of)]
        assert.ok(many.high - many.low < few.high - few.low)
      }),
      { seed: seed(t) },
    )
  })
})

/** 2 P(X ≤ fewer) for X of Binomial(pairs, ½), in whole numbers. */
function byHand(a: number, b: number): number {
  const pairs = a + b
  let [term, tail] = [1n, 0n]
  for (let k = 0; k <= Math.min(a, b); k++) {
    tail += term
    term = (term * BigInt(pairs - k)) / BigInt(k + 1)
  }
  return Math.min(1, Number((2n * tail * 10n ** 15n) / 2n ** BigInt(pairs)) / 1e15)
}

describe('McNemar’s exact test', () => {
  for (const { a, b, p } of [
    { a: 0, b: 0, p: 1 },
    { a: 5, b: 0, p: 0.0625 },
    { a: 6, b: 0, p: 0.03125 },
    { a: 1, b: 9, p: 22 / 1024 },
    { a: 10, b: 10, p: 1 },
    { a: 12, b: 2, p: 212 / 16_384 },
  ])
    test(`${a} against ${b}: p = ${p}`, () => near(mcNemar(a, b), p, 1e-12))

  test('agrees with whole-number arithmetic and does not care which is first', (t) => {
    fc.assert(
      fc.property(fc.nat(150), fc.nat(150), (a, b) => {
        near(mcNemar(a, b), byHand(a, b), 1e-10)
        assert.equal(mcNemar(a, b), mcNemar(b, a))
      }),
      { seed: seed(t) },
    )
  })

  test('stays a probability where 2^-n is no number any more', () => {
    near(mcNemar(5_000, 5_000), 1, 1e-9)
    assert.ok(mcNemar(5_200, 4_800) < 1e-4)
    assert.ok(mcNemar(5_200, 4_800) > 1e-5)
  })
})

describe('the difference of two shares over the same items', () => {
  test('has half an item added to each cell', () => {
    const { low, high } = pairedDifference(0, 0, 8)
    near(low, -0.196, 1e-4)
    near(high, 0.196, 1e-4)
    // (40 − 10) / 202 ± 1.96 √(51 − 900/202) / 202
    const wide = pairedDifference(40, 10, 200)
    near(wide.low, 0.0823, 1e-4)
    near(wide.high, 0.2147, 1e-4)
  })

  test('is mirrored when the two change places', (t) => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), fc.nat(1_000), (a, b, rest) => {
        const one = pairedDifference(a, b, a + b + rest)
        const other = pairedDifference(b, a, a + b + rest)
        near(one.low, -other.high, 1e-12)
        assert.ok(one.low >= -1 && one.high <= 1 && one.low < one.high)
      }),
      { seed: seed(t) },
    )
  })
})

describe('Holm’s adjustment', () => {
  test('multiplies the smallest by all, the next by one less, and never falls', () => {
    assert.deepEqual(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert.deepEqual(holm([]), [])
    assert.deepEqual(holm([0.6, 0.5]), [1, 1])
  })

  test('never makes a p smaller and keeps their order', (t) => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (ps) => {
        const adjusted = holm(ps)
        for (const [i, p] of ps.entries()) {
          assert.ok(adjusted[i]! >= p && adjusted[i]! <= 1)
          for (const [j, q] of ps.entries()) if (p < q) assert.ok(adjusted[i]! <= adjusted[j]!)
        }
      }),
      { seed: seed(t) },
    )
  })
})

describe('a quantile', () => {
  for (const { values, share, wanted } of [
    { values: [], share: 0.5, wanted: undefined },
    { values: [7], share: 0.99, wanted: 7 },
    { values: [4, 1, 3, 2], share: 0.5, wanted: 2 },
    { values: [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share: 0.95, wanted: 10 },
    { values: [3, 1, 2], share: 1, wanted: 3 },
  ])
    test(`${share} of [${values}] is ${wanted}`, () => assert.equal(quantile(values, share), wanted))

  test('is the smallest value that the share does not exceed', (t) => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const found = quantile(all, percent / 100)!
        const upTo = (limit: number) => all.filter((value) => value <= limit).length / all.length
        assert.ok(all.includes(found))
        assert.ok(upTo(found) >= percent / 100 - 1e-12)
        assert.ok(all.every((value) => value >= found || upTo(value) < percent / 100 - 1e-12))
      }),
      { seed: seed(t) },
    )
  })
})
