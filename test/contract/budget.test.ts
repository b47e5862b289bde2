// What every budget promises, kept in a process and in a real Redis: never more than there is, whoever asks at once,
// whoever dies; and nothing new for who begins again.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { systemClock } from '../../src/adapters/clock.ts'
import { memoryBudget } from '../../src/adapters/memory/budget.ts'
import { redisBudget } from '../../src/adapters/redis/budget.ts'
import { silent } from '../../src/ports/events.ts'
import type { BudgetSettings, Spending } from '../../src/core/llm/budget.ts'
import type { Budget } from '../../src/ports/budget.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { amount, ASKED_ALONE, DAY, granted, NOBODY, patiently } from '../support/budget.ts'
import { withinOneDay } from '../support/one-day.ts'
import { noRedis, startRedis } from '../support/redis.ts'

interface World {
  /** A new budget of its own, with so much spent before. */
  open(settings: BudgetSettings, spent?: readonly Spending[]): Budget
  close(): Promise<void>
}

const memoryWorld = async (): Promise<World> => ({
  open: (settings, spent = []) => memoryBudget({ settings, share: 1, clock: systemClock, history: async () => spent }),
  close: async () => {},
})

let scopes = 0

async function redisWorld(): Promise<World> {
  const redis = await startRedis()
  const server = patiently(redis.url)
  return {
    open: (settings, spent = []) =>
      redisBudget(server, {
        settings,
        share: 1,
        scope: `test:${++scopes}`,
        history: async () => spent,
        own: NOBODY,
        clock: systemClock,
        emit: silent,
      }),
    async close() {
      server.close()
      await redis.stop()
    },
  }
}

type Step = { readonly kind: 'reserve'; readonly tokens: number } | { readonly kind: 'settle'; readonly share: number }
const STEPS = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('reserve' as const), tokens: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ kind: fc.constant('settle' as const), share: fc.integer({ min: 0, max: 100 }) }),
  ),
  { maxLength: 40 },
)

function contract(name: string, openWorld: () => Promise<World>, skip: false | string = false): void {
  describe(`a budget kept in ${name}`, { skip }, () => {
    let world: World
    before(async () => {
      world = await openWorld()
    })
    after(() => world?.close())

    test('does what the model does: takes what fits, refuses what does not, gets back what was not used', () =>
      withinOneDay(() =>
        fc.assert(
          fc.asyncProperty(STEPS, async (steps: readonly Step[]) => {
            const budget = world.open(DAY(100, 100))
            const open: { readonly most: number; readonly said: ReturnType<typeof granted> }[] = []
            let spent = 0
            for (const step of steps) {
              if (step.kind === 'reserve') {
                const held = open.reduce((sum, { most }) => sum + most, spent)
                const said = await budget.reserve('any', amount(step.tokens))
                assert.equal(said.kind, held + step.tokens <= 100 ? 'reserved' : 'over')
                if (said.kind === 'reserved') open.push({ most: step.tokens, said })
              } else if (open.length > 0) {
                const { most, said } = open.shift()!
                const actual = Math.floor((most * step.share) / 100)
                await said.settle(amount(actual))
                spent += actual
              }
            }
          }),
          { numRuns: 40 },
        ),
      ))

    test('fifty callers at once take exactly what there is', () =>
      withinOneDay(async () => {
        const budget = world.open(DAY(30))
        const said = await Promise.all(Array.from({ length: 50 }, () => budget.reserve('any', amount(1))))
        assert.equal(said.filter(({ kind }) => kind === 'reserved').length, 30)
      }))

    test('money is a limit of its own, and so is a task', () =>
      withinOneDay(async () => {
        const settings = { minute: {}, day: { usd: 1 }, tasks: { dear: { minute: {}, day: { tokens: 5 } } } }
        const budget = world.open(settings)
        const cents = (count: number) => ({ tokens: 1, nanousd: count * 1e7 })
        granted(await budget.reserve('any', cents(60)))
        const over = await budget.reserve('any', cents(41))
        assert.ok(over.kind === 'over' && over.limit === 'day' && over.wait_ms > 0 && over.wait_ms <= 86_400_000)
        granted(await budget.reserve('dear', { tokens: 5, nanousd: 0 }))
        const own = await budget.reserve('dear', { tokens: 1, nanousd: 0 })
        assert.ok(own.kind === 'over' && own.limit === 'day of dear')
        granted(await budget.reserve('any', cents(40)))
      }))

    test('what is refused by one limit is taken from none', () =>
      withinOneDay(async () => {
        const budget = world.open({ minute: {}, day: { tokens: 10 }, tasks: { t: { minute: {}, day: { tokens: 3 } } } })
        for (let times = 0; times < 5; times++) assert.equal((await budget.reserve('t', amount(4))).kind, 'over')
        granted(await budget.reserve('any', amount(10)))
      }))

    test('usage above its reservation is counted as it is', () =>
      withinOneDay(async () => {
        const budget = world.open(DAY(10))
        await granted(await budget.reserve('any', amount(2))).settle(amount(9))
        assert.equal((await budget.reserve('any', amount(2))).kind, 'over')
        granted(await budget.reserve('any', amount(1)))
      }))

    test('begins with what was spent before it', () =>
      withinOneDay(async () => {
        const at = { task: 'any', at_ms: Date.now() }
        const before = { ...at, at_ms: Date.now() - 2 * 86_400_000 }
        const budget = world.open(DAY(10), [
          { ...at, ...amount(7) },
          { ...before, ...amount(1_000) },
        ])
        assert.equal((await budget.reserve('any', amount(4))).kind, 'over')
        granted(await budget.reserve('any', amount(3)))
      }))

    test('a call that is more than a whole window has is told from one that is too late', () =>
      withinOneDay(async () => {
        const budget = world.open(DAY(10))
        granted(await budget.reserve('any', amount(1)))
        const [late, large] = [await budget.reserve('any', amount(10)), await budget.reserve('any', amount(11))]
        assert.deepEqual([late.kind === 'over' && late.never, large.kind === 'over' && large.never], [false, true])
      }))

    test('no limit is no bound', async () => {
      const budget = world.open({ minute: {}, day: {}, tasks: {} })
      const said = await budget.reserve('any', amount(1e12))
      assert.ok(
        said.kind === 'reserved' || said.limit === ASKED_ALONE,
        'nothing is counted for all: it is left to the process',
      )
    })
  })
}

contract('the process', memoryWorld)
contract('Redis', redisWorld, noRedis)

describe('a window of a budget', () => {
  test('ends: what was reserved in it and never settled is free again, and a late settlement changes nothing', async () => {
    let now = 59_000
    const clock: Clock = { now: () => now, elapsed: () => now, sleep: async () => {} }
    const settings = { minute: { tokens: 10 }, day: {}, tasks: {} }
    const budget = memoryBudget({ settings, share: 1, clock, history: async () => [] })
    const dead = granted(await budget.reserve('any', amount(10)))
    const over = await budget.reserve('any', amount(1))
    assert.deepEqual(over, { kind: 'over', limit: 'minute', wait_ms: 1_000, never: false })
    now = 60_000
    granted(await budget.reserve('any', amount(10)))
    await dead.settle(amount(0))
    assert.equal((await budget.reserve('any', amount(1))).kind, 'over')
  })

  test('does not begin before it is known what was spent', async () => {
    let known = false
    const history = async () => {
      if (!known) throw new Error('the broker is away')
      return []
    }
    const budget = memoryBudget({ settings: DAY(10), share: 1, clock: systemClock, history })
    assert.deepEqual(await budget.reserve('any', amount(1)), {
      kind: 'over',
      limit: 'ledger',
      wait_ms: 1_000,
      never: false,
    })
    known = true
    granted(await budget.reserve('any', amount(1)))
  })
})
