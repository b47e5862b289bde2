// The budget's arithmetic: what counts in which window, what fits, and the most that a request can cost.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  allLimits,
  amountOf,
  current,
  fits,
  limitsOf,
  mostUsage,
  sharesOf,
  tally,
  tooSmall,
  unpriced,
  worstAmount,
} from '../../../src/core/llm/budget.ts'
import type { BudgetSettings } from '../../../src/core/llm/budget.ts'

const SETTINGS: BudgetSettings = {
  minute: { tokens: 1_000 },
  day: { tokens: 50_000, usd: 2 },
  tasks: { taxonomy: { minute: {}, day: { usd: 0.5 } } },
}
const MINUTE = 60_000
const DAY = 86_400_000

describe('limits', () => {
  test('a call keeps those of all tasks and those of its own', () => {
    assert.deepEqual(
      limitsOf(SETTINGS, 'taxonomy', 1).map(({ name, window_ms, max }) => [name, window_ms, max.tokens, max.nanousd]),
      [
        ['minute', MINUTE, 1_000, Infinity],
        ['day', DAY, 50_000, 2e9],
        ['day of taxonomy', DAY, Infinity, 5e8],
      ],
    )
    assert.equal(limitsOf(SETTINGS, 'other', 1).length, 2)
    assert.equal(limitsOf(SETTINGS, '__proto__', 1).length, 2)
    assert.equal(allLimits(SETTINGS, 1).length, 3)
  })

  test('the parts of a budget never add up to more than it', () => {
    const amount = fc.record({
      tokens: fc.integer({ min: 1, max: 1e12 }),
      usd: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
    })
    fc.assert(
      fc.property(amount, fc.boolean(), fc.integer({ min: 1, max: 64 }), (day, canShare, processes) => {
        const { shared, own } = sharesOf(canShare, processes)
        const settings = { minute: {}, day, tasks: {} }
        const most = (share: number) => allLimits(settings, share)[0]!.max
        assert.ok(most(shared).tokens + processes * most(own).tokens <= day.tokens)
        assert.ok(most(shared).nanousd + processes * most(own).nanousd <= day.usd * 1e9)
      }),
    )
  })

  test('in dollars bound nothing where there is no price, and say of which provider', () => {
    const price = { input: 1, cached_input: 1, output: 1 }
    const providers = [
      { name: 'priced', price },
      { name: 'free', price: { input: 0, cached_input: 0, output: 0 } },
      { name: 'unknown', price: undefined },
    ]
    assert.deepEqual(unpriced(SETTINGS, providers), ['unknown'])
    assert.deepEqual(unpriced({ minute: {}, day: { tokens: 5 }, tasks: {} }, providers), [])
  })

  test('one under which a reply alone does not fit is named', () => {
    const named = (share: number, tokens: number, output = 0) =>
      tooSmall(SETTINGS, share, tokens, [undefined, { input: 0, cached_input: 0, output }])?.limit.name
    assert.equal(named(1, 400), undefined)
    assert.equal(named(1, 800), 'minute')
    assert.equal(named(0.5, 400), 'minute')
    assert.equal(named(1, 400, 1_000), undefined)
    assert.equal(named(1, 400, 1_500), 'day of taxonomy')
    assert.equal(named(1, 400, 6_000), 'day')
  })
})

describe('a window', () => {
  const [minute] = limitsOf(SETTINGS, 'other', 1)
  const spent = { window: 10, tokens: 900, nanousd: 5 }

  test('counts what was spent in it, and nothing of earlier ones', () => {
    assert.deepEqual(current(minute!, spent, 10 * MINUTE + 59_999), spent)
    assert.deepEqual(current(minute!, spent, 11 * MINUTE), { window: 11, tokens: 0, nanousd: 0 })
  })

  test('a clock that goes back gives no new money', () => {
    assert.deepEqual(current(minute!, spent, 3 * MINUTE), spent)
  })

  test('takes what fits to the last token, and no more', () => {
    assert.ok(fits(minute!, spent, { tokens: 100, nanousd: 1e15 }))
    assert.ok(!fits(minute!, spent, { tokens: 101, nanousd: 0 }))
  })

  test('begins with what the ledger says of it', () => {
    const at = (at_ms: number, task: string, tokens: number) => ({ at_ms, task, tokens, nanousd: tokens * 2 })
    const spendings = [at(9 * MINUTE, 'a', 5), at(10 * MINUTE, 'a', 7), at(10 * MINUTE + 1, 'taxonomy', 11)]
    assert.deepEqual(tally(minute!, spendings, 10 * MINUTE + 5), { window: 10, tokens: 18, nanousd: 36 })
    const ofTask = limitsOf(SETTINGS, 'taxonomy', 1)[2]!
    assert.deepEqual(tally(ofTask, spendings, 10 * MINUTE), { window: 0, tokens: 11, nanousd: 22 })
  })
})

describe('the most that a request can cost', () => {
  test('is a token a byte of UTF-8, framing, and the longest reply', () => {
    const text = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units))
    const texts = fc.record({ system: text, user: text })
    fc.assert(
      fc.property(texts, ({ system, user }) => {
        const bytes = new TextEncoder().encode(system).length + new TextEncoder().encode(user).length
        const { inputTokens, outputTokens } = mostUsage({ system, user, schema: {}, outputTokensMax: 7 })
        assert.ok(inputTokens >= bytes + 2 && inputTokens <= 3 * (system.length + user.length) + 2 + 512)
        assert.equal(outputTokens, 7)
      }),
    )
  })

  test('is never below what any usage within it costs, to the nanodollar', () => {
    const cents = fc.double({ min: 0, max: 100, noNaN: true })
    const price = fc.record({ input: cents, cached_input: cents, output: cents })
    const count = fc.integer({ min: 0, max: 100_000 })
    fc.assert(
      fc.property(price, count, count, count, fc.nat(100), (price, inputTokens, cached, outputTokens, share) => {
        const usage = { inputTokens, cachedInputTokens: Math.min(cached, inputTokens), outputTokens }
        const less = { ...usage, outputTokens: Math.floor((outputTokens * share) / 100) }
        assert.ok(amountOf(less, price).nanousd <= worstAmount(usage, price).nanousd + 1)
        assert.equal(amountOf(usage, price).tokens, inputTokens + outputTokens)
      }),
    )
    assert.deepEqual(amountOf({ inputTokens: 3, cachedInputTokens: 0, outputTokens: 1 }, undefined), {
      tokens: 4,
      nanousd: 0,
    })
  })
})
