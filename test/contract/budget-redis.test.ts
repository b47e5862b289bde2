// What the budget kept in Redis promises whatever Redis does: absent, hung, emptied, begun again from what it had saved.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { memoryBudget } from '../../src/adapters/memory/budget.ts'
import { redisBudget } from '../../src/adapters/redis/budget.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import { silent } from '../../src/ports/events.ts'
import type { Spending } from '../../src/core/llm/budget.ts'
import type { Purse } from '../../src/ports/budget.ts'
import { amount, DAY, granted, NOBODY, patiently } from '../support/budget.ts'
import { withinOneDay } from '../support/one-day.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'

let scopes = 0

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

  test('that was emptied says that a call reserved before no longer stands, since nobody may know of it', () =>
    withinOneDay(async () => {
      const { server, budget } = openAt(redis.url, [], true)
      const kept = granted(await budget.reserve('any', amount(600)))
      assert.equal(await kept.stands(), true)
      await (server as ReturnType<typeof patiently>).redis.flushall()
      assert.equal(await kept.stands(), false)
      const anew = granted(await budget.reserve('any', amount(600)))
      assert.deepEqual([await kept.stands(), await anew.stands()], [false, true])
      server.close()
    }))

  test('that begins again from what it had saved forgets nothing that was spent since', () =>
    withinOneDay(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-saved-'))
      const first = await startRedis(0, ['--dir', folder])
      const spent: Spending[] = []
      const { server, budget } = openAt(first.url, spent, true)
      const reserve = async (tokens: number) => {
        const said = granted(await budget.reserve('any', amount(tokens)))
        spent.push({ task: 'any', at_ms: Date.now(), ...amount(tokens) })
        return said
      }
      await reserve(100)
      await (server as ReturnType<typeof patiently>).redis.save()
      const late = await reserve(500)
      await first.stop()
      const second = await startRedis(first.port, ['--dir', folder])
      assert.equal(await late.stands(), false)
      assert.equal((await budget.reserve('any', amount(301))).kind, 'over')
      await late.settle(amount(0))
      assert.equal((await budget.reserve('any', amount(301))).kind, 'over')
      await reserve(300)
      server.close()
      await second.stop()
      await rm(folder, { recursive: true })
    }))

  test('that is new asks the ledger once, also while nothing is left', () =>
    withinOneDay(async () => {
      let reads = 0
      const server = patiently(redis.url)
      const history = async () => {
        reads++
        return [{ task: 'any', at_ms: Date.now(), ...amount(1_000) }]
      }
      const shared = { settings, share: 1, scope: `bad:${++scopes}`, own: NOBODY, clock: systemClock, emit: silent }
      const budget = redisBudget(server, { ...shared, history })
      for (let times = 0; times < 3; times++) assert.equal((await budget.reserve('any', amount(1))).kind, 'over')
      assert.equal(reads, 1)
      server.close()
    }))

  test('that is emptied while the ledger is read begins with what is read after that', () =>
    withinOneDay(async () => {
      const server = patiently(redis.url)
      const spent: Spending[] = []
      let reads = 0
      const history = async () => {
        const found = [...spent]
        if (++reads === 1) {
          spent.push({ task: 'any', at_ms: Date.now(), ...amount(1_000) })
          await server.redis.flushall()
        }
        return found
      }
      const shared = { settings, share: 1, scope: `bad:${++scopes}`, own: NOBODY, clock: systemClock, emit: silent }
      const budget = redisBudget(server, { ...shared, history })
      assert.deepEqual(await budget.reserve('any', amount(1)), {
        kind: 'over',
        limit: 'ledger',
        wait_ms: 1_000,
        never: false,
      })
      const over = await budget.reserve('any', amount(1))
      assert.ok(over.kind === 'over' && over.limit === 'day')
      server.close()
    }))

  test('counts what stands in the window of now or of a clock that was ahead, and nothing of an earlier one', () =>
    withinOneDay(async () => {
      const { server, budget } = openAt(redis.url, [], true)
      const client = new Redis(redis.url)
      const key = `bad:${scopes}:day`
      const today = Math.floor(Date.now() / 86_400_000)
      const stands = (window: number) => client.hset(key, { window, tokens: 900, nanousd: 0 })
      granted(await budget.reserve('any', amount(1)))
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
      const large = await Promise.all([101, 901].map((tokens) => budget.reserve('any', amount(tokens))))
      const nevers = large.map((said) => said.kind === 'over' && said.never)
      assert.deepEqual(nevers, [false, true], 'what all share has room for the first, once it answers')
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
