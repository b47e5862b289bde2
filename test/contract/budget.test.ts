// What every budget promises, kept in a process and in a real Redis: never more than there is, whoever asks at once,
// whoever dies; and nothing new for who begins again.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { memoryBudget } from '../../src/adapters/memory/budget.ts'
import { redisBudget } from '../../src/adapters/redis/budget.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import { silent } from '../../src/ports/events.ts'
import type { BudgetSettings, Spending } from '../../src/core/llm/budget.ts'
import type { Budget, Purse, Reserved } from '../../src/ports/budget.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { withinOneDay } from '../support/one-day.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'

interface World {
  /** A new budget of its own, with so much spent before. */
  open(settings: BudgetSettings, spent?: readonly Spending[]): Budget
  close(): Promise<void>
}

const NOBODY: Budget = { reserve: async () => ({ kind: 'over', limit: 'nobody', wait_ms: 1 }) }

const memoryWorld = async (): Promise<World> => ({
  open: (settings, spent = []) => memoryBudget({ settings, share: 1, clock: systemClock, history: async () => spent }),
  close: async () => {},
})

/** Never late: this is about what is counted; a slow machine is the business of the other tests. */
function patiently(url: string) {
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  return {
    read: async (_keys: number, commands: (redis: Redis) => readonly Promise<unknown>[]) => {
      await Promise.all(commands(redis))
      return 'done' as const
    },
    write: async (_entries: number, commands: (redis: Redis) => readonly Promise<unknown>[]) =>
      void (await Promise.all(commands(redis))),
    ready: async () => true,
    healthy: () => true,
    close: () => redis.disconnect(),
    redis,
  }
}

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

const DAY = (tokens: number, usd?: number): BudgetSettings => ({ minute: {}, day: { tokens, usd }, tasks: {} })
const amount = (tokens: number) => ({ tokens, nanousd: tokens * 1_000 })
function granted(said: Reserved): Extract<Reserved, { kind: 'reserved' }> {
  assert.ok(said.kind === 'reserved', JSON.stringify(said))
  return said
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

    test('no limit is no bound', async () => {
      const budget = world.open({ minute: {}, day: {}, tasks: {} })
      assert.ok(['reserved', 'over'].includes((await budget.reserve('any', amount(1e12))).kind))
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
    assert.deepEqual(over, { kind: 'over', limit: 'minute', wait_ms: 1_000 })
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
    assert.deepEqual(await budget.reserve('any', amount(1)), { kind: 'over', limit: 'ledger', wait_ms: 1_000 })
    known = true
    granted(await budget.reserve('any', amount(1)))
  })
})

describe('a budget in a Redis', { skip: noRedis }, () => {
  const settings = DAY(1_000)
  let redis: OwnRedis
  before(async () => {
    redis = await startRedis()
  })
  after(() => redis?.stop())

  const openAt = (url: string, history: readonly Spending[], patient = false) => {
    const server = patient ? patiently(url) : redisServer({ url, clock: systemClock, emit: silent })
    const purses: Purse[] = []
    const own = memoryBudget({ settings, share: 0.1, clock: systemClock, history: async () => [] })
    const emit = (_: string, { purse }: { readonly [field: string]: unknown }) => void purses.push(purse as Purse)
    const budget = redisBudget(server, {
      settings,
      share: 0.9,
      scope: `bad:${++scopes}`,
      history: async () => history,
      own,
      clock: systemClock,
      emit,
    })
    return { server, budget, purses }
  }

  test('that was emptied begins with what the ledger says, and who settles late takes nothing from it', () =>
    withinOneDay(async () => {
      const spent: Spending[] = []
      const { server, budget } = openAt(redis.url, spent, true)
      const lost = granted(await budget.reserve('any', amount(600)))
      spent.push({ task: 'any', at_ms: Date.now(), ...amount(600) })
      await (server as ReturnType<typeof patiently>).redis.flushall()
      assert.equal((await budget.reserve('any', amount(301))).kind, 'over')
      await lost.settle(amount(0))
      assert.equal((await budget.reserve('any', amount(301))).kind, 'over')
      assert.equal(granted(await budget.reserve('any', amount(300))).purse, 'shared')
      server.close()
    }))

  test('counts what stands in the window of now or of a clock that was ahead, and nothing of an earlier one', () =>
    withinOneDay(async () => {
      const { server, budget } = openAt(redis.url, [], true)
      const client = new Redis(redis.url)
      const key = `bad:${scopes}:day`
      const today = Math.floor(Date.now() / 86_400_000)
      const stands = (window: number) => client.hset(key, { window, tokens: 900, nanousd: 0, born: 'x' })
      await stands(today - 1)
      const dead = granted(await budget.reserve('any', amount(900)))
      assert.equal(await client.hget(key, 'window'), String(today))
      await stands(today + 1)
      assert.equal((await budget.reserve('any', amount(1))).kind, 'over')
      await dead.settle(amount(0))
      assert.equal(await client.hget(key, 'tokens'), '900', 'what is settled late is of another window')
      client.disconnect()
      server.close()
    }))

  for (const [state, open] of [
    ['refuses connections', async () => ({ url: 'redis://127.0.0.1:1', stop: async () => {} })],
    ['never answers', startBlackHole],
  ] as const)
    test(`that ${state} is paid around: from a part kept back for that, and no more`, async () => {
      const bad = await open()
      const { server, budget, purses } = openAt(bad.url, [])
      assert.equal(granted(await budget.reserve('any', amount(60))).purse, 'own')
      assert.equal(granted(await budget.reserve('any', amount(40))).purse, 'own')
      assert.equal((await budget.reserve('any', amount(1))).kind, 'over')
      assert.deepEqual(purses, ['own'])
      server.close()
      await bad.stop()
    })

  test('that holds something else under the name of a counter is paid around as well', async () => {
    const { server, budget } = openAt(redis.url, [])
    const client = new Redis(redis.url)
    await client.set(`bad:${scopes}:day`, 'a string')
    await (server as ReturnType<typeof redisServer>).ready(20_000)
    assert.equal(granted(await budget.reserve('any', amount(1))).purse, 'own')
    client.disconnect()
    server.close()
  })
})
