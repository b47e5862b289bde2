// How many calls at once: fewer when the provider is too busy, slowly more again, never beyond its bounds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { fullConcurrency, lowered, raised } from '../../../src/core/llm/concurrency.ts'
import type { Concurrency } from '../../../src/core/llm/concurrency.ts'

describe('the number of calls at once', () => {
  test('stays between one and what is allowed, whatever happens in whatever order', () => {
    const news = fc.oneof(
      fc.record({ kind: fc.constant('fine' as const), inFlight: fc.integer({ min: 1, max: 200 }) }),
      fc.record({ kind: fc.constant('busy' as const), took: fc.integer({ min: 0, max: 50 }) }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.array(news, { maxLength: 300 }), (calls_max, all) => {
        let now = fullConcurrency(calls_max)
        all.forEach((one, at) => {
          now = one.kind === 'fine' ? raised(now, one.inFlight, calls_max) : lowered(now, at - one.took, at)
          assert.ok(now.limit >= 1 && now.limit <= calls_max, `${now.limit} of ${calls_max}`)
        })
      }),
    )
  })

  test('is halved once for a burst, again for what was sent after that', () => {
    const full = fullConcurrency(16)
    const once = lowered(full, 90, 100)
    const burst = [91, 95, 99].reduce((now, began) => lowered(now, began, 101), once)
    assert.deepEqual([once.limit, burst.limit, lowered(burst, 100, 120).limit], [8, 8, 4])
  })

  test('grows by one in about as many good calls as there may be at once, and only where all are in use', () => {
    const half = lowered(fullConcurrency(16), 0, 1)
    const after = (calls: number, inFlight: (now: Concurrency) => number) => {
      let now = half
      for (let call = 0; call < calls; call++) now = raised(now, inFlight(now), 16)
      return now.limit
    }
    const full = after(8, ({ limit }) => Math.floor(limit))
    assert.ok(full > 8.9 && full < 9.1, `${full}`)
    assert.equal(
      after(1_000, () => 3),
      8,
    )
    assert.equal(
      after(1_000, ({ limit }) => Math.floor(limit)),
      16,
    )
  })

  test('two callers of one provider that is too busy above ten end up with about half each (Chiu and Jain, figure 3)', () => {
    let [a, b] = [fullConcurrency(40), lowered(lowered(fullConcurrency(40), 0, 1), 2, 3)]
    for (let round = 4; round < 4_000; round++) {
      const step = (now: Concurrency) =>
        a.limit + b.limit > 10 ? lowered(now, round, round) : raised(now, Math.floor(now.limit), 40)
      ;[a, b] = [step(a), step(b)]
    }
    assert.ok(Math.abs(a.limit - b.limit) < 1, `${a.limit} and ${b.limit}`)
    assert.ok(a.limit + b.limit > 4 && a.limit + b.limit <= 11)
  })
})
