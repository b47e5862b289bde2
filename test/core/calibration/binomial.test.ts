// Bounds on shares against values computed elsewhere (mpmath, 30 digits; sums of binomial terms) and their laws.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  binomialTail,
  incompleteBeta,
  lowerBound,
  shareInterval,
  trialsNeeded,
} from '../../../src/core/calibration/binomial.ts'

function near(seen: number, expected: number, relative: number): void {
  assert.ok(Math.abs(seen - expected) <= relative * Math.abs(expected), `${seen}, not ${expected}`)
}

describe('the incomplete beta function', () => {
  const known: readonly [x: number, a: number, b: number, value: number][] = [
    [0.5, 2, 3, 0.6875],
    [0.97, 500, 12, 0.159850509728928],
    [0.03, 1, 99, 0.95097679595319],
    [0.97, 9700.5, 301, 0.514999838787659],
    [0.999, 100_000, 120, 0.971030889990809],
    [0.2, 0.5, 0.5, 0.295167235300867],
    [1e-6, 3, 20_000, 1.313690455087365e-6],
  ]
  for (const [x, a, b, value] of known)
    test(`at ${x} with ${a} and ${b} is ${value}`, () => near(incompleteBeta(x, a, b), value, 1e-10))

  test('is its own mirror image', () => {
    const shape = fc.double({ min: 0.5, max: 5000, noNaN: true })
    // In steps of 2^-40, so that 1 − x is exact: near 0 the function may rise as a root does.
    const share = fc.integer({ min: 0, max: 2 ** 40 }).map((steps) => steps / 2 ** 40)
    fc.assert(
      fc.property(share, shape, shape, (x, a, b) => {
        assert.ok(Math.abs(incompleteBeta(x, a, b) + incompleteBeta(1 - x, b, a) - 1) < 1e-10)
      }),
    )
  })
})

describe('the binomial tail', () => {
  const known: readonly [errors: number, trials: number, rate: number, value: number][] = [
    [3, 10, 0.2, 0.8791261184],
    [101, 4035, 0.03, 0.0328971832006],
    [300, 10_000, 0.03, 0.515350537563],
    [20_000, 1_000_000, 0.0203, 0.0166787643999],
  ]
  for (const [errors, trials, rate, value] of known)
    test(`${errors} of ${trials} at ${rate}`, () => near(binomialTail(errors, trials, rate), value, 1e-9))

  test('is the sum of its terms', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.nat(60),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (trials, errors, rate) => {
          let term = (1 - rate) ** trials
          let sum = term
          for (let k = 1; k <= Math.min(errors, trials); k++)
            sum += term *= ((trials - k + 1) / k) * (rate / (1 - rate))
          assert.ok(Math.abs(binomialTail(errors, trials, rate) - sum) < 1e-10)
        },
      ),
    )
  })
})

describe('the lower bound of Clopper and Pearson', () => {
  const known: readonly [errors: number, trials: number, delta: number, bound: number][] = [
    [0, 99, 0.05, 0.9701933262266],
    [0, 98, 0.05, 0.9698938013052],
    [1, 10, 0.05, 0.6058366975635],
    [5, 10, 0.025, 0.1870860284474],
    [10, 100, 0.025, 0.82377740226],
    [101, 4035, 0.05, 0.9705349169449],
    [46, 2012, 0.05, 0.9708608942646],
    [300, 12_000, 0.01, 0.9714824912999],
  ]
  for (const [errors, trials, delta, bound] of known)
    test(`${errors} errors in ${trials} at ${delta}: ${bound}`, () =>
      near(lowerBound(errors, trials, delta), bound, 1e-11))

  test('without an error is the root of delta; of nothing, or of errors alone, it is 0', () => {
    near(lowerBound(0, 1000, 0.05), 0.05 ** (1 / 1000), 1e-12)
    assert.equal(lowerBound(0, 0, 0.05), 0)
    assert.equal(lowerBound(7, 7, 0.05), 0)
  })

  test('falls with errors, rises with trials and with delta, and lies below the share seen', () => {
    const case_ = fc.tuple(
      fc.integer({ min: 1, max: 2000 }),
      fc.nat(2000),
      fc.double({ min: 0.001, max: 0.4, noNaN: true }),
    )
    fc.assert(
      fc.property(case_, ([trials, errors, delta]) => {
        fc.pre(errors < trials)
        const bound = lowerBound(errors, trials, delta)
        assert.ok(bound <= 1 - errors / trials)
        assert.ok(lowerBound(errors + 1, trials, delta) < bound)
        assert.ok(lowerBound(errors, trials + 1, delta) > bound)
        assert.ok(lowerBound(errors, trials, delta * 1.5) > bound)
      }),
      { numRuns: 60 },
    )
  })

  test('two-sided, it is the interval of the textbooks', () => {
    const [low, high] = shareInterval(5, 10)
    near(low, 0.1870860284474, 1e-10)
    near(high, 1 - 0.1870860284474, 1e-10)
    assert.deepEqual(shareInterval(0, 0), [0, 1])
    assert.equal(shareInterval(10, 10)[1], 1)
  })
})

describe('how many trials are needed', () => {
  test('without errors: the classic 99 for 97 % and 59 for 95 % at .05', () => {
    assert.equal(trialsNeeded(0.97, 0.05, 1), 99)
    assert.equal(trialsNeeded(0.95, 0.05, 1), 59)
  })
  test('more the closer the share seen comes to what is asked, and none where it is not above', () => {
    const needed = [0.99, 0.985, 0.98, 0.975].map((seen) => trialsNeeded(0.97, 0.05, seen)!)
    assert.deepEqual(
      needed,
      needed.toSorted((a, b) => a - b),
    )
    assert.equal(trialsNeeded(0.97, 0.05, 0.97), undefined)
  })
  test('are enough, and one less is not', () => {
    const trials = trialsNeeded(0.97, 0.05, 0.985)!
    const errors = (n: number) => Math.ceil(n * 0.015 - 1e-9)
    assert.ok(lowerBound(errors(trials), trials, 0.05) >= 0.97)
    assert.ok(lowerBound(errors(trials - 1), trials - 1, 0.05) < 0.97)
  })
})
