// What every shared store of similar texts promises, run on the fake and on a real Redis; and Redis in bad states.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { redisNear } from '../../src/adapters/redis/near.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import type { RedisServer, RedisServerOptions } from '../../src/adapters/redis/server.ts'
import { silent } from '../../src/ports/events.ts'
import type { NearStore } from '../../src/ports/near.ts'
import { memoryNear } from '../fakes/near.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'

const bands = (...hashes: number[]) => Uint32Array.from(hashes)
const entry = (id: string, ...hashes: number[]) => ({ id, value: `value of ${id}`, bands: bands(...hashes), rank: 2 })
const ids = (found: Awaited<ReturnType<NearStore['find']>>) =>
  found.map((entries) => entries.map(({ id }) => id).sort())

interface World {
  readonly store: NearStore
  close(): Promise<void>
}

/** What the store promises holds however late a busy machine is. */
const PATIENT = { deadline_ms: 30_000, command_timeout_ms: 30_000 }

async function redisWorld(limits: Partial<RedisServerOptions>): Promise<World & { readonly redis: OwnRedis }> {
  const redis = await startRedis()
  const server = redisServer({ url: redis.url, clock: systemClock, emit: silent, ...limits })
  assert.ok(await server.ready(30_000))
  let now = 0
  const store = redisNear(server, { scope: 'sluice:test', ttl_s: 60, clock: { ...systemClock, now: () => ++now } })
  const close = async () => {
    server.close()
    await redis.stop()
  }
  return { store, redis, close }
}

function contract(name: string, open: () => Promise<World>, skip: false | string = false): void {
  describe(`the shared store of similar texts, kept by ${name}`, { skip }, () => {
    let world: World
    before(async () => {
      world = await open()
    })
    after(() => world?.close())

    test('an entry is found by any band that it shares in its place, once, and by no other', async () => {
      await world.store.add([entry('a', 1, 2, 3)])
      const found = await world.store.find([bands(1, 2, 3), bands(9, 2, 9), bands(2, 1, 9), bands(7, 8, 9)])
      assert.deepEqual(ids(found), [['a'], ['a'], [], []])
      assert.equal(found[0]![0]!.value, 'value of a')
    })

    test('a second value of the same text replaces the first', async () => {
      await world.store.add([entry('twice', 11, 12, 13)])
      await world.store.add([{ ...entry('twice', 11, 12, 13), value: 'second' }])
      assert.deepEqual(await world.store.find([bands(11, 0, 0)]), [[{ id: 'twice', value: 'second' }]])
    })

    test('a value of a lower rank does not replace one of a higher, one of a higher or the same does', async () => {
      const kept = async (rank: number, value: string) => {
        await world.store.add([{ ...entry('ranked', 31, 32, 33), rank, value }])
        return (await world.store.find([bands(31, 0, 0)]))[0]![0]?.value
      }
      assert.equal(await kept(2, 'LLM'), 'LLM')
      assert.equal(await kept(1, 'model'), 'LLM')
      assert.equal(await kept(3, 'person'), 'person')
      assert.equal(await kept(2, 'LLM again'), 'person')
      assert.equal(await kept(3, 'another person'), 'another person')
    })

    test('a band that many share names its newest', async () => {
      for (let number = 0; number < 10; number++)
        await world.store.add([entry(`crowd ${number}`, 21, 100 + number, 200)])
      const [found] = ids(await world.store.find([bands(21, 0, 0)]))
      assert.deepEqual(found, ['crowd 6', 'crowd 7', 'crowd 8', 'crowd 9'])
    })

    test('a batch of 500 questions is answered in order', async () => {
      const entries = Array.from({ length: 300 }, (_, at) => entry(`b${at}`, 1_000 + at, 5_000 + at, 9_000 + at))
      await world.store.add(entries)
      const found = await world.store.find(Array.from({ length: 500 }, (_, at) => bands(1_000 + at, 0, 0)))
      assert.deepEqual(
        ids(found),
        Array.from({ length: 500 }, (_, at) => (at < 300 ? [`b${at}`] : [])),
      )
    })

    test('the tier is on until somebody says that it is off, and then until somebody says that it is on', async () => {
      assert.equal(await world.store.isOff(), false)
      for (const said of [true, true, false]) {
        await world.store.sayOff(said)
        assert.equal(await world.store.isOff(), said)
      }
    })

    test('nothing asked is nothing found; nothing added is no error', async () => {
      assert.deepEqual(await world.store.find([]), [])
      await world.store.add([])
    })
  })
}

contract('memory', async () => ({ store: memoryNear(), close: async () => {} }))
contract('Redis', () => redisWorld(PATIENT), noRedis)

describe('the shared store over a Redis that is not well', { skip: noRedis }, () => {
  test('keys of another type are passed over, and the entries beside them are found', async (t) => {
    const { store, redis, close } = await redisWorld(PATIENT)
    const client = new Redis(redis.url)
    t.after(() => {
      client.disconnect()
      return close()
    })
    await store.add([entry('a', 1, 2, 3)])
    await client.set('sluice:test:0:1', 'no sorted set')
    assert.deepEqual(ids(await store.find([bands(1, 2, 9)])), [['a']])
    await client.del('sluice:test:t:a')
    await client.rpush('sluice:test:t:a', 'no text')
    assert.deepEqual(ids(await store.find([bands(9, 2, 9)])), [[]])
    await client.rpush('sluice:test:off', 'no text')
    assert.equal(await store.isOff(), false)
    await store.sayOff(true)
    assert.equal(await store.isOff(), true)
    await store.add([entry('a', 1, 2, 3)])
    assert.deepEqual(ids(await store.find([bands(1, 9, 9)])), [['a']], 'what is written takes their place')
  })

  test('killed, or silent: nothing is found, soon, and adding is no error', async (t) => {
    const { store, redis, close } = await redisWorld({})
    t.after(close)
    await store.add([entry('a', 1, 2, 3)])
    redis.signal('SIGSTOP')
    assert.deepEqual(await store.find([bands(1, 2, 3)]), [[]])
    await store.add([entry('b', 1, 2, 3)])
    redis.signal('SIGKILL')
    assert.deepEqual(await store.find([bands(1, 2, 3)]), [[]])
    assert.equal(await store.isOff(), undefined)
    await store.sayOff(true)
  })

  test('a server that never says a word: nothing is found', async (t) => {
    const hole = await startBlackHole()
    const server = redisServer({ url: hole.url, clock: systemClock, emit: silent })
    t.after(() => {
      server.close()
      return hole.stop()
    })
    const store = redisNear(server, { scope: 's', ttl_s: 60, clock: systemClock })
    assert.deepEqual(await store.find([bands(1, 2, 3)]), [[]])
  })

  test('more than there is time for is asked in part: a Redis that is well is never late for it', async () => {
    let [elapsed_ms, asked] = [0, 0]
    const redis = {
      eval: async (_: string, keys: number) => {
        elapsed_ms += 5
        asked += keys
        await Promise.resolve()
        return Array.from({ length: keys / 3 }, () => ['a', '2value of a'])
      },
    }
    const server: Pick<RedisServer, 'deadline_ms' | 'read'> = {
      deadline_ms: 40,
      read: async (_, commands) => {
        await Promise.all(commands(redis as unknown as Redis))
        return elapsed_ms > 40 ? 'late' : 'done'
      },
    }
    const clock = { now: () => 1, elapsed: () => elapsed_ms }
    const store = redisNear(server as RedisServer, { scope: 's', ttl_s: 60, clock })
    const found = await store.find(Array.from({ length: 1_000 }, () => bands(1, 2, 3)))
    assert.ok(elapsed_ms <= 30, `${elapsed_ms} ms`)
    assert.deepEqual(
      found.map(({ length }) => length),
      Array.from({ length: 1_000 }, (__, at) => (at < asked / 3 ? 1 : 0)),
    )
    assert.ok(asked / 3 >= 100, 'as many as there is time for')
  })
})
