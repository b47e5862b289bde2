// The money: whatever is asked at once and in whatever order it ends, no more is spent than there is.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { openBudget } from '../../../src/learn/benchmark/budget.ts'
import { fakeClock } from '../../fakes/clock.ts'
import { seed } from '../../support/llm.ts'

/** In whole cents, so that sums are exact. */
const call = fc
  .nat(30)
  .chain((worst) => fc.record({ worst: fc.constant(worst), cost: fc.nat(worst), takes_ms: fc.nat(50) }))

describe('the budget', () => {
  test('is never exceeded, not even by what is reserved, and nobody waits for ever', async (t) => {
    const calls = fc.array(call, { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        calls,
        fc.nat(200),
        fc.nat(100),
        fc.integer({ min: 1, max: 8 }),
        async (all, cap, before, lanes) => {
          const budget = openBudget(cap, before)
          const clock = fakeClock()
          let [held, spent, refused] = [0, before, 0]
          let next = 0
          const lane = async () => {
            for (let one = all[next++]; one !== undefined; one = all[next++]) {
              const settle = await budget.reserve(one.worst)
              if (settle === undefined) {
                refused++
                assert.ok(spent + held + one.worst > cap, 'refused although it fits')
                continue
              }
              held += one.worst
              assert.ok(one.worst === 0 || spent + held <= cap, `${spent} spent and ${held} held of ${cap}`)
              await clock.sleep(one.takes_ms)
              held -= one.worst
              spent += one.cost
              settle(one.cost)
              assert.equal(budget.spent, spent)
            }
          }
          await Promise.all(Array.from({ length: lanes }, lane))
          assert.ok(spent <= Math.max(cap, before))
          if (before > cap) assert.equal(refused, all.filter(({ worst }) => worst > 0).length)
        },
      ),
      { seed: seed(t), numRuns: 60 },
    )
  })

  test('waits for calls in flight that may put back what is missing', async () => {
    const budget = openBudget(10, 0)
    const first = await budget.reserve(8)
    let second: ((cost: number) => void) | undefined
    const waiting = budget.reserve(8).then((settle) => (second = settle))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(second, undefined)
    first!(1)
    await waiting
    second!(2)
    assert.equal(budget.spent, 3)
  })

  test('that does not reach for a single call says so at once', async () => {
    assert.equal(await openBudget(1, 0).reserve(2), undefined)
    assert.equal(await openBudget(1, 0.5).reserve(0.6), undefined)
  })
})
