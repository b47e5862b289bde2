// What every store of leases promises, run on the fake and on a real Redis; and Redis in bad states.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { redisLeases } from '../../src/adapters/redis/leases.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import { silent } from '../../src/ports/events.ts'
import type { Leases } from '../../src/ports/leases.ts'
import { fakeClock } from '../fakes/clock.ts'
import { leaseStore } from '../fakes/leases.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'
import { eventually } from '../support/stack.ts'

const LONG_MS = 600_000
const many = (count: number) => Array.from({ length: count }, (_, at) => `key ${at}`)

interface World {
  readonly leases: Leases
  close(): Promise<void>
}

async function redisWorld(
  lease_ms = LONG_MS,
  settings: readonly string[] = [],
): Promise<World & { readonly redis: OwnRedis }> {
  const redis = await startRedis(0, settings)
  const server = redisServer({ url: redis.url, clock: systemClock, emit: silent })
  assert.ok(await server.ready(5_000))
  const leases = redisLeases(server, { scope: 'sluice:test', lease_ms })
  const close = async () => {
    server.close()
    await redis.stop()
  }
  return { leases, redis, close }
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
    const { leases, redis, close } = await redisWorld()
    const client = new Redis(redis.url)
    await leases.take(['a', 'b'], 'one')
    const short = redisLeases(await openServer(redis.url), { scope: 'sluice:test', lease_ms: 50 })
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
    const full = await redisWorld(LONG_MS, ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'])
    assert.deepEqual(await full.leases.take(['a'], 'one'), [undefined])
    await full.close()
    const { leases, redis, close } = await redisWorld()
    redis.signal('SIGSTOP')
    assert.deepEqual(await leases.take(['a'], 'one'), [undefined])
    assert.deepEqual(await leases.look(['a']), [undefined])
    redis.signal('SIGKILL')
    assert.deepEqual(await leases.take(['a'], 'one'), [undefined])
    await leases.free(['a'], 'one')
    await close()
    const hole = await startBlackHole()
    const server = redisServer({ url: hole.url, clock: systemClock, emit: silent })
    const silentLeases = redisLeases(server, { scope: 's', lease_ms: LONG_MS })
    assert.deepEqual(await silentLeases.take(['a'], 'one'), [undefined])
    server.close()
    await hole.stop()
  })
})

const opened: { close(): void }[] = []
after(() => opened.forEach((server) => server.close()))

async function openServer(url: string) {
  const server = redisServer({ url, clock: systemClock, emit: silent })
  opened.push(server)
  assert.ok(await server.ready(5_000))
  return server
}
