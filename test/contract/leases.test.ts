// What every store of leases promises, run on the fake and on a real Redis; and Redis in bad states.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { redisLeases } from '../../src/adapters/redis/leases.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import { silent } from '../../src/ports/events.ts'
import type { Commands, RedisServer } from '../../src/adapters/redis/server.ts'
import type { Leases } from '../../src/ports/leases.ts'
import { fakeClock } from '../fakes/clock.ts'
import { leaseStore } from '../fakes/leases.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'
import { eventually } from '../support/stack.ts'

const LONG_MS = 600_000
const opened: RedisServer[] = []
after(() => opened.forEach((server) => server.close()))
const many = (count: number) => Array.from({ length: count }, (_, at) => `key ${at}`)

interface World {
  readonly leases: Leases
  close(): Promise<void>
}

/** Without the deadline of the real one: a machine that stalls must not change what the scripts do. */
function patientServer(url: string): RedisServer {
  const redis = new Redis(url)
  const all = async (commands: Commands) => void (await Promise.all(commands(redis)))
  return {
    deadline_ms: Infinity,
    read: (_, commands) => all(commands).then(() => 'done' as const),
    write: (_, commands) => all(commands),
    ready: async () => true,
    healthy: () => true,
    close: () => redis.disconnect(),
  }
}

async function redisWorld(): Promise<World & { readonly redis: OwnRedis; readonly server: RedisServer }> {
  const redis = await startRedis()
  const server = patientServer(redis.url)
  const close = async () => {
    server.close()
    await redis.stop()
  }
  return { leases: redisLeases(server, { scope: 'sluice:test', lease_ms: LONG_MS }), redis, server, close }
}

async function impatient(url: string): Promise<Leases> {
  const server = redisServer({ url, clock: systemClock, emit: silent })
  opened.push(server)
  await server.ready(500)
  return redisLeases(server, { scope: 's', lease_ms: LONG_MS })
}

function contract(name: string, open: () => Promise<World>, skip: false | string = false): void {
  describe(`leases, kept by ${name}`, { skip }, () => {
    let world: World
    before(async () => {
      world = await open()
    })
    after(() => world?.close())

    test('the first one takes a key; the others hear whose it is', async () => {
      assert.deepEqual(await world.leases.take(['a', 'b'], 'one'), ['one', 'one'])
      assert.deepEqual(await world.leases.take(['b', 'c'], 'two'), ['one', 'two'])
      assert.deepEqual(await world.leases.look(['a', 'b', 'c', 'd']), ['one', 'one', 'two', undefined])
    })

    test('a key taken again by its owner stays his', async () => {
      await world.leases.take(['again'], 'one')
      assert.deepEqual(await world.leases.take(['again'], 'one'), ['one'])
    })

    test('only its owner gives a key back', async () => {
      await world.leases.take(['mine'], 'one')
      await world.leases.free(['mine'], 'two')
      assert.deepEqual(await world.leases.look(['mine']), ['one'])
      await world.leases.free(['mine', 'never taken'], 'one')
      assert.deepEqual(await world.leases.look(['mine']), [undefined])
    })

    test('1,200 keys are taken, renewed and given back in order', async () => {
      const keys = many(1_200)
      await world.leases.take([keys[700]!], 'other')
      const owners = keys.map((_, at) => (at === 700 ? 'other' : 'one'))
      assert.deepEqual(await world.leases.take(keys, 'one'), owners)
      await world.leases.renew(keys, 'one')
      assert.deepEqual(await world.leases.look(keys), owners)
      await world.leases.free(keys, 'one')
      assert.deepEqual(
        await world.leases.look(keys),
        owners.map((owner) => (owner === 'other' ? owner : undefined)),
      )
    })

    test('nothing asked is nothing taken', async () => {
      assert.deepEqual(await world.leases.take([], 'one'), [])
      assert.deepEqual(await world.leases.look([]), [])
      await world.leases.renew([], 'one')
      await world.leases.free([], 'one')
    })
  })
}

contract('memory', async () => ({
  leases: leaseStore({ clock: fakeClock(), lease_ms: LONG_MS }).port(),
  close: async () => {},
}))
contract('Redis', redisWorld, noRedis)

describe('leases over Redis', { skip: noRedis }, () => {
  test('end by themselves, and a renewed one ends later; nobody renews what is not his', async () => {
    const { leases, redis, server, close } = await redisWorld()
    const client = new Redis(redis.url)
    await leases.take(['a', 'b'], 'one')
    const short = redisLeases(server, { scope: 'sluice:test', lease_ms: 50 })
    await short.renew(['a'], 'one')
    await short.renew(['b'], 'two')
    await eventually('the lease has ended', 20_000, async () =>
      (await leases.look(['a']))[0] === undefined ? true : undefined,
    )
    assert.deepEqual(await leases.look(['b']), ['one'])
    assert.ok((await client.pttl('sluice:test:asked:b')) > LONG_MS / 2)
    client.disconnect()
    await close()
  })

  test('a key of another type is nobody’s, and the keys beside it are taken', async () => {
    const { leases, redis, close } = await redisWorld()
    const client = new Redis(redis.url)
    await client.lpush('sluice:test:asked:odd', 'x')
    assert.deepEqual(await leases.take(['odd', 'a'], 'one'), [undefined, 'one'])
    assert.deepEqual(await leases.look(['odd', 'a']), [undefined, 'one'])
    await leases.renew(['odd', 'a'], 'one')
    await leases.free(['odd', 'a'], 'one')
    assert.deepEqual([await client.type('sluice:test:asked:odd'), await leases.look(['a'])], ['list', [undefined]])
    client.disconnect()
    await close()
  })

  test('full, stopped, killed, or silent from the start: nothing is known, soon, and nothing is an error', async () => {
    const full = await startRedis(0, ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'])
    const hole = await startBlackHole()
    const redis = await startRedis()
    const leases = await impatient(redis.url)
    redis.signal('SIGSTOP')
    assert.deepEqual(await leases.take(['a'], 'one'), [undefined])
    assert.deepEqual(await leases.look(['a']), [undefined])
    redis.signal('SIGKILL')
    for (const ill of [leases, await impatient(full.url), await impatient(hole.url)]) {
      assert.deepEqual(await ill.take(['a'], 'one'), [undefined])
      await ill.renew(['a'], 'one')
      await ill.free(['a'], 'one')
    }
    await Promise.all([full.stop(), redis.stop(), hole.stop()])
  })
})
