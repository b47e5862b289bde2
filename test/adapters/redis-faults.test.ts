// Redis in every bad state: each call resolves, reads as misses, and says so once an episode. Times are printed, and bounded
// only against waiting for ever; bench/redis-states measures what a batch waits.
import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { redisCache } from '../../src/adapters/redis/cache.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import type { RedisServer } from '../../src/adapters/redis/server.ts'
import type { EventFields } from '../../src/core/events.ts'
import type { Cache } from '../../src/ports/cache.ts'
import type { Emit } from '../../src/ports/events.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'

const FOR_EVER_MS = 60_000
/** One is what a machine without stalls sees; hundreds are a flood. */
const FEW = 5
const KEYS = Array.from({ length: 5_000 }, (_, index) => `key:${index}`)

type RedisCache = Cache & Pick<RedisServer, 'ready' | 'healthy'>

interface Seen {
  readonly cache: RedisCache
  readonly events: { readonly name: string; readonly fields: EventFields }[]
  count(name: string): number
}

const toClose: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close()
})

const stray: unknown[] = []
const keep = (error: unknown) => stray.push(error)
process.on('unhandledRejection', keep)
after(() => {
  process.off('unhandledRejection', keep)
  assert.deepEqual(stray, [], 'no rejection was left unhandled')
})

function open(url: string): Seen {
  const events: Seen['events'] = []
  const emit: Emit = (name, fields) => events.push({ name, fields })
  const server = redisServer({ url, clock: systemClock, emit })
  const cache = { ...redisCache(server, 600), ready: server.ready, healthy: server.healthy }
  toClose.push(async () => server.close())
  return { cache, events, count: (name) => events.filter((event) => event.name === name).length }
}

async function openOn(settings: readonly string[] = []) {
  const server = await startRedis(0, settings)
  toClose.push(() => server.stop())
  const seen = open(server.url)
  assert.ok(await seen.cache.ready(FOR_EVER_MS))
  return { server, ...seen }
}

/** Until the first key is kept and found: what is well may be late where the machine stood still. */
const kept = (cache: RedisCache) =>
  until(async () => {
    await cache.set([{ key: KEYS[0]!, value: 'kept' }])
    return found(cache)
  })

const found = async (cache: RedisCache) => (await cache.get([KEYS[0]!]))[0] !== undefined

function few(times: number): void {
  assert.ok(times >= 1 && times <= FEW, `${times} times`)
}

/** Asks for all keys; returns what the call took and how many hits it brought. */
async function ask(cache: RedisCache): Promise<{ took_ms: number; hits: number }> {
  const start = performance.now()
  const found = await cache.get(KEYS)
  const took_ms = performance.now() - start
  assert.equal(found.length, KEYS.length)
  assert.ok(took_ms < FOR_EVER_MS, `a batch waited ${took_ms.toFixed(0)} ms`)
  return { took_ms, hits: found.filter((value) => value !== undefined).length }
}

async function askFor(cache: RedisCache, duration_ms: number, t: TestContext): Promise<void> {
  const took: number[] = []
  const end = performance.now() + duration_ms
  while (performance.now() < end) {
    took.push((await ask(cache)).took_ms)
    await systemClock.sleep(5)
  }
  const added_ms = took.reduce((sum, ms) => sum + ms, 0)
  const worst = Math.max(...took).toFixed(1)
  t.diagnostic(`${took.length} batches: the worst took ${worst} ms, all together ${added_ms.toFixed(0)} ms`)
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + FOR_EVER_MS
  while (!(await condition())) {
    assert.ok(performance.now() < end, 'not in time')
    await systemClock.sleep(20)
  }
}

describe('Redis that fails', { skip: noRedis }, () => {
  test('killed in mid-run: misses at once, one event, and hits again when it is back', async (t) => {
    const { server, cache, count } = await openOn()
    await kept(cache)
    setTimeout(() => server.signal('SIGKILL'), 50)
    await askFor(cache, 1_000, t)
    await until(() => !cache.healthy())
    few(count('cache.failed'))
    assert.equal((await ask(cache)).hits, 0)
    const again = await startRedis(server.port)
    toClose.push(() => again.stop())
    await kept(cache)
    few(count('cache.recovered'))
  })

  test('stopped (SIGSTOP): one batch waits for the deadline, the rest pass at once; it recovers when it goes on', async (t) => {
    const { server, cache, count } = await openOn()
    await kept(cache)
    server.signal('SIGSTOP')
    t.diagnostic(`the first batch waited ${(await ask(cache)).took_ms.toFixed(1)} ms`)
    const set_start = performance.now()
    await cache.set([{ key: 'while stopped', value: 'x' }])
    assert.ok(performance.now() - set_start < FOR_EVER_MS)
    await askFor(cache, 2_500, t)
    assert.equal((await ask(cache)).hits, 0)
    few(count('cache.failed'))
    server.signal('SIGCONT')
    await until(() => found(cache))
    few(count('cache.recovered'))
    await until(() => cache.healthy())
  })

  test('many batches at once while it is stopped wait together, not one after the other', async (t) => {
    const { server, cache, count } = await openOn()
    server.signal('SIGSTOP')
    const start = performance.now()
    await Promise.all(Array.from({ length: 20 }, () => ask(cache)))
    t.diagnostic(`20 batches at once waited ${(performance.now() - start).toFixed(1)} ms together`)
    assert.ok(performance.now() - start < FOR_EVER_MS)
    few(count('cache.failed'))
    server.signal('SIGCONT')
  })

  test('a value of the wrong type is a miss; its neighbours are hits', async () => {
    const { server, cache, events } = await openOn()
    await cache.set([{ key: KEYS[0]!, value: 'kept' }])
    await kept(cache)
    const other = new Redis(server.url)
    toClose.push(async () => other.disconnect())
    await other.rpush(KEYS[1]!, 'a list')
    await other.hset(KEYS[2]!, 'a', 'hash')
    await other.set(KEYS[3]!, 'text')
    await until(async () => (await cache.get([KEYS[3]!]))[0] === 'text')
    await until(async () => {
      const found = await cache.get(KEYS.slice(0, 4))
      assert.deepEqual(found.slice(1, 3), [undefined, undefined])
      return found[0] === 'kept' && found[3] === 'text'
    })
    assert.ok(events.every(({ fields }) => fields['why'] !== 'WRONGTYPE'))
  })

  /** Writes until the server has refused one for that reason; what went wrong for another is forgotten in between. */
  async function refused({ cache, events }: Seen, url: string, why: string, refuse: string[], admit: string[]) {
    const other = new Redis(url)
    toClose.push(async () => other.disconnect())
    const write = () => cache.set([{ key: 'own', value: 'x' }])
    await until(async () => {
      await other.config('SET', ...(refuse as [string, string]))
      await write()
      if (events.some(({ fields }) => fields['why'] === why)) return true
      await other.config('SET', ...(admit as [string, string]))
      await write()
      return false
    })
    for (let round = 0; round < 20; round++) await write()
  }

  test('out of memory (noeviction): writes are dropped with one event, reads go on', async (t) => {
    const { server, ...seen } = await openOn(['--maxmemory-policy', 'noeviction'])
    const { cache, count } = seen
    await kept(cache)
    await refused(seen, server.url, 'OOM', ['maxmemory', '1'], ['maxmemory', '0'])
    few(count('cache.failed'))
    assert.ok(count('cache.dropped') > 0)
    await until(() => found(cache))
    await until(() => cache.healthy())
    await askFor(cache, 300, t)
  })

  test('a read-only replica: reads are hits, writes are dropped with one event', async () => {
    const { server: main, cache: mainCache } = await openOn(['--repl-diskless-sync-delay', '0'])
    const { server, ...seen } = await openOn(['--replicaof', '127.0.0.1', String(main.port)])
    const { cache, count } = seen
    await kept(mainCache)
    await until(async () => (await cache.get([KEYS[0]!]))[0] === 'kept')
    await refused(seen, server.url, 'READONLY', ['replica-read-only', 'yes'], ['replica-read-only', 'no'])
    few(count('cache.failed'))
    await until(() => cache.healthy())
  })

  test('writes beyond the bound are dropped, not queued', async () => {
    const { cache, count } = await openOn()
    const entries = KEYS.slice(0, 3_000).map((key) => ({ key, value: 'x' }))
    await Promise.all([cache.set(entries), cache.set(entries), cache.set(entries)])
    assert.ok(count('cache.dropped') >= 2)
    await until(async () => {
      if ((await cache.get(KEYS.slice(2_900, 3_100))).filter((value) => value === 'x').length === 100) return true
      await cache.set(entries)
      return false
    })
  })

  test('an event loop that was blocked for 200 ms does not make a healthy Redis look ill', async () => {
    const { cache, count } = await openOn()
    await kept(cache)
    await until(async () => {
      const before = count('cache.failed')
      const asked = cache.get(KEYS)
      const end = performance.now() + 200
      while (performance.now() < end);
      return (await asked)[0] === 'kept' && count('cache.failed') === before
    })
  })
})

describe('an address where Redis is not', () => {
  test('nobody listens: misses at once, one event, no unhandled error', async (t) => {
    const { cache, count } = open('redis://127.0.0.1:1')
    await askFor(cache, 500, t)
    await until(() => count('cache.failed') > 0)
    assert.equal(count('cache.failed'), 1)
    assert.equal(await cache.ready(50), false)
  })

  test('a black hole that accepts and never answers: misses at once', async (t) => {
    const hole = await startBlackHole()
    toClose.push(() => hole.stop())
    const { cache, count } = open(hole.url)
    await askFor(cache, 2_500, t)
    await cache.set([{ key: 'a', value: 'b' }])
    await until(() => count('cache.failed') > 0)
    assert.equal(count('cache.failed'), 1)
  })
})
