// The gate: every level clears its own threshold, and nothing that is not a number ever passes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { gateMiss } from '../../src/core/gate.ts'
import { answerOf } from '../fakes/items.ts'

const share = fc.double({ min: 0, max: 1, noNaN: true })

describe('the gate', () => {
  const table: { probabilities: number[]; thresholds: number[]; missedLevel: number | undefined }[] = [
    { probabilities: [0.75, 0.55], thresholds: [0.75, 0.55], missedLevel: undefined },
    { probabilities: [0.7499, 0.99], thresholds: [0.75, 0.55], missedLevel: 1 },
    { probabilities: [0.99, 0.54], thresholds: [0.75, 0.55], missedLevel: 2 },
    { probabilities: [0, 0], thresholds: [0, 0], missedLevel: undefined },
    { probabilities: [0.9999], thresholds: [1], missedLevel: 1 },
    { probabilities: [1], thresholds: [1], missedLevel: undefined },
    { probabilities: [Number.NaN], thresholds: [0], missedLevel: 1 },
    { probabilities: [0.9, Number.NaN], thresholds: [0.5, 0], missedLevel: 2 },
    { probabilities: [0.99], thresholds: [Number.NaN], missedLevel: 1 },
    { probabilities: [], thresholds: [0.9, 0.9], missedLevel: undefined },
  ]
  for (const { probabilities, thresholds, missedLevel } of table)
    test(`[${probabilities.join()}] at [${thresholds.join()}]: ${missedLevel ? `misses level ${missedLevel}` : 'passes'}`, () => {
      const miss = gateMiss({ thresholds }, answerOf(probabilities))
      assert.equal(miss?.kind === 'below' ? miss.level : undefined, missedLevel)
    })

  test('a level without a threshold passes only when it is certain', () => {
    assert.equal(gateMiss({ thresholds: [] }, answerOf([1])), undefined)
    assert.deepEqual(gateMiss({ thresholds: [] }, answerOf([0.999])), {
      kind: 'below',
      level: 1,
      probability: 0.999,
      threshold: 1,
      probabilities: [0.999],
      thresholds: [],
    })
  })

  test('passes exactly when every level is at or above its threshold; else names the first that is not', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(share, share), { minLength: 1, maxLength: 5 }), (levels) => {
        const miss = gateMiss({ thresholds: levels.map(([, t]) => t) }, answerOf(levels.map(([p]) => p)))
        const first = levels.findIndex(([p, t]) => p < t)
        assert.equal(miss?.kind === 'below' ? miss.level - 1 : -1, first)
      }),
    )
  })

  test('a NaN at any level never passes, whatever the thresholds', () => {
    fc.assert(
      fc.property(fc.array(share, { minLength: 1, maxLength: 5 }), fc.nat(4), (probabilities, at) => {
        const poisoned = probabilities.with(at % probabilities.length, Number.NaN)
        assert.notEqual(gateMiss({ thresholds: probabilities.map(() => 0) }, answerOf(poisoned)), undefined)
      }),
    )
  })

  test('loosening a threshold never turns a pass into a miss', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(share, share, share), { minLength: 1, maxLength: 4 }), (levels) => {
        const answer = answerOf(levels.map(([p]) => p))
        const strict = { thresholds: levels.map(([, t]) => t) }
        const loose = { thresholds: levels.map(([, t, by]) => t * by) }
        if (gateMiss(strict, answer) === undefined) assert.equal(gateMiss(loose, answer), undefined)
      }),
    )
  })
})
