// Redis in every bad state: each call resolves, reads as misses, and adds little to a batch. Measured times are printed.
// The promise is 60 ms; the assertion leaves room for a loaded machine.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, afterEach, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { redisCache } from '../../src/adapters/redis/cache.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import type { RedisServer, RedisServerOptions } from '../../src/adapters/redis/server.ts'
import type { EventFields } from '../../src/core/events.ts'
import type { Cache } from '../../src/ports/cache.ts'
import type { Emit } from '../../src/ports/events.ts'
import { noRedis, startBlackHole, startRedis } from '../support/redis.ts'

const ADDED_MS_MAX = 250
/** Longer than the machine may stall: for tests of what a healthy Redis does, or one that is gone. */
const PATIENT = { deadline_ms: 30_000, command_timeout_ms: 30_000 }
const UNTIL_MS = 30_000
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

function open(url: string, limits: Partial<RedisServerOptions> = {}): Seen {
  const events: Seen['events'] = []
  const emit: Emit = (name, fields) => events.push({ name, fields })
  const server = redisServer({ url, clock: systemClock, emit, ...limits })
  const cache = { ...redisCache(server, 60), ready: server.ready, healthy: server.healthy }
  toClose.push(async () => server.close())
  return { cache, events, count: (name) => events.filter((event) => event.name === name).length }
}

/** A Redis that holds the first key, unless it is read-only. Its port is not one that outgoing connections are given. */
async function openOn(limits: Partial<RedisServerOptions>, settings: readonly string[] = []) {
  const server = await startRedis(0, settings)
  toClose.push(() => server.stop())
  const other = new Redis(server.url)
  await other.set(KEYS[0]!, 'kept').catch(() => {})
  other.disconnect()
  const seen = open(server.url, limits)
  assert.ok(await seen.cache.ready(UNTIL_MS))
  seen.events.length = 0
  return { server, ...seen }
}

/** Asks for all keys; returns what the call took and how many hits it brought. */
async function ask(cache: RedisCache): Promise<{ took_ms: number; hits: number }> {
  const start = performance.now()
  const found = await cache.get(KEYS)
  const took_ms = performance.now() - start
  assert.equal(found.length, KEYS.length)
  return { took_ms, hits: found.filter((value) => value !== undefined).length }
}

/** Fails where the work is not done in ADDED_MS_MAX of a loop that turns: a stall makes all timers late, in their order. */
async function soon<T>(work: Promise<T>): Promise<T> {
  let late = false
  const timer = setTimeout(async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    late = true
  }, ADDED_MS_MAX)
  const value = await work
  clearTimeout(timer)
  assert.ok(!late, `waited for more than ${ADDED_MS_MAX} ms`)
  return value
}

async function askFor(cache: RedisCache, duration_ms: number, t: TestContext): Promise<void> {
  const took: number[] = []
  const end = performance.now() + duration_ms
  while (performance.now() < end) {
    took.push((await soon(ask(cache))).took_ms)
    await systemClock.sleep(5)
  }
  const added_ms = took.reduce((sum, ms) => sum + ms, 0)
  const worst = Math.max(...took).toFixed(1)
  t.diagnostic(`${took.length} batches: the worst took ${worst} ms, all together ${added_ms.toFixed(0)} ms`)
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + UNTIL_MS
  while (!(await condition())) {
    assert.ok(performance.now() < end, `not within ${UNTIL_MS} ms`)
    await systemClock.sleep(20)
  }
}

/** Returns when this Redis has answered so many MGETs; blocks the event loop until then. */
function blockUntilAnswered(port: number, calls: number): void {
  const program = `
    const ask = 'INFO commandstats\\r\\n'
    const socket = require('node:net').connect(${port}, '127.0.0.1', () => socket.write(ask))
    socket.setEncoding('utf8').on('data', (said) => {
      if (Number(/cmdstat_mget:calls=(\\d+)/.exec(said)?.[1]) >= ${calls}) socket.end()
      else setTimeout(() => socket.write(ask), 10)
    })`
  execFileSync(process.execPath, ['-e', program], { timeout: UNTIL_MS })
}

/** A patient server on that Redis, and what it says: event, operation and reason. */
async function openServer(url: string): Promise<{ readonly server: RedisServer; readonly events: string[] }> {
  const events: string[] = []
  const emit: Emit = (name, { operation, why }) => events.push(`${name} ${operation} ${why}`)
  const server = redisServer({ url, clock: systemClock, emit, ...PATIENT })
  toClose.push(async () => server.close())
  assert.ok(await server.ready(UNTIL_MS))
  return { server, events }
}

describe('Redis that fails', { skip: noRedis }, () => {
  test('killed in mid-run: misses at once, one event, and hits again when it is back', async (t) => {
    const { server, cache, count } = await openOn(PATIENT)
    assert.equal((await ask(cache)).hits, 1)
    setTimeout(() => server.signal('SIGKILL'), 50)
    await until(async () => {
      assert.ok((await ask(cache)).took_ms < PATIENT.deadline_ms / 2, 'what was on its way is given up at once')
      return !cache.healthy()
    })
    await askFor(cache, 1_000, t)
    assert.equal(count('cache.failed'), 1)
    assert.ok(!cache.healthy())
    const again = await startRedis(server.port)
    toClose.push(() => again.stop())
    await until(() => cache.healthy())
    await cache.set([{ key: KEYS[0]!, value: 'kept again' }])
    assert.equal((await ask(cache)).hits, 1)
    assert.equal(count('cache.recovered'), 1)
  })

  test('stopped (SIGSTOP): one batch waits for the deadline, the rest pass at once; it recovers when it goes on', async (t) => {
    const { server, cache, events, count } = await openOn({})
    server.signal('SIGSTOP')
    const first = await soon(ask(cache))
    t.diagnostic(`the first batch waited ${first.took_ms.toFixed(1)} ms`)
    assert.equal(first.hits, 0)
    await soon(cache.set([{ key: 'while stopped', value: 'x' }]))
    await askFor(cache, 2_500, t)
    assert.equal(count('cache.failed'), 1, JSON.stringify(events))
    server.signal('SIGCONT')
    await until(async () => (await soon(ask(cache))).hits === 1)
    assert.equal(count('cache.recovered'), 1)
    assert.ok(cache.healthy())
  })

  test('many batches at once while it is stopped wait together, not one after the other', async (t) => {
    const { server, cache, count } = await openOn({})
    server.signal('SIGSTOP')
    const start = performance.now()
    await soon(Promise.all(Array.from({ length: 20 }, () => ask(cache))))
    t.diagnostic(`20 batches at once waited ${(performance.now() - start).toFixed(1)} ms together`)
    assert.equal(count('cache.failed'), 1)
    server.signal('SIGCONT')
  })

  test('a value of the wrong type is a miss; its neighbours are hits', async () => {
    const { server, cache, count } = await openOn(PATIENT)
    const other = new Redis(server.url)
    toClose.push(async () => other.disconnect())
    await other.rpush(KEYS[1]!, 'a list')
    await other.hset(KEYS[2]!, 'a', 'hash')
    await other.set(KEYS[3]!, 'text')
    const found = await cache.get(KEYS.slice(0, 4))
    assert.deepEqual(found, ['kept', undefined, undefined, 'text'])
    assert.equal(count('cache.failed'), 0)
  })

  test('out of memory (noeviction): writes are dropped with one event, reads go on', async () => {
    const { cache, count, events } = await openOn(PATIENT, ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'])
    const big = Array.from({ length: 5_000 }, (_, index) => ({ key: `big:${index}`, value: 'x'.repeat(1_000) }))
    for (let round = 0; round < 20; round++) await cache.set(big)
    assert.equal(count('cache.failed'), 1, JSON.stringify(events))
    assert.equal(events.find(({ name }) => name === 'cache.failed')!.fields['why'], 'OOM')
    assert.ok(count('cache.dropped') > 0)
    assert.equal((await ask(cache)).hits, 1)
    assert.ok(cache.healthy())
  })

  test('full: a script that reads and writes (the budget) fails, and the cache is read all the same', async () => {
    const { server: own, cache } = await openOn(PATIENT)
    const other = new Redis(own.url)
    await other.config('SET', 'maxmemory-policy', 'noeviction')
    await other.config('SET', 'maxmemory', '1')
    other.disconnect()
    const { server, events } = await openServer(own.url)
    const write = () => server.read(1, (redis) => [redis.eval("return redis.call('INCR', KEYS[1])", 1, 'counter')])
    assert.deepEqual([await write(), await write()], ['failed', 'failed'])
    assert.ok(server.healthy())
    assert.deepEqual(await redisCache(server, 60).get([KEYS[0]!]), ['kept'])
    assert.deepEqual(events, ['cache.failed set OOM'])
    assert.equal((await ask(cache)).hits, 1)
  })

  test('one that allows no scripts: what needs them is not there, said once, and the cache works', async () => {
    const { server: own } = await openOn(PATIENT)
    const other = new Redis(own.url)
    await other.acl('SETUSER', 'default', '-eval')
    other.disconnect()
    const { server, events } = await openServer(own.url)
    const cache = redisCache(server, 60)
    const script = (redis: Redis) => [redis.eval('return 1', 0)]
    for (let round = 0; round < 3; round++) {
      assert.equal(await server.read(1, script), 'failed')
      await server.write(1, script)
      await cache.set([{ key: KEYS[1]!, value: `kept ${round}` }])
      assert.deepEqual(await cache.get(KEYS.slice(0, 2)), ['kept', `kept ${round}`])
    }
    assert.ok(server.healthy())
    assert.deepEqual(
      events.filter((event) => event.startsWith('cache.failed')),
      ['cache.failed get NOEVAL'],
    )
  })

  test('a read-only replica: reads are hits, writes are dropped with one event', async () => {
    const { server: main, cache: mainCache } = await openOn(PATIENT, ['--repl-diskless-sync-delay', '0'])
    const { cache, count, events } = await openOn(PATIENT, ['--replicaof', '127.0.0.1', String(main.port)])
    await mainCache.set([{ key: KEYS[0]!, value: 'from the main one' }])
    await until(async () => (await cache.get([KEYS[0]!]))[0] === 'from the main one')
    for (let round = 0; round < 5; round++) await cache.set([{ key: 'own', value: 'x' }])
    assert.equal(count('cache.failed'), 1, JSON.stringify(events))
    assert.equal(events.find(({ name }) => name === 'cache.failed')!.fields['why'], 'READONLY')
    assert.ok(cache.healthy())
  })

  test('writes beyond the bound are dropped, not queued', async () => {
    const { cache, count } = await openOn(PATIENT)
    const entries = KEYS.slice(0, 3_000).map((key) => ({ key, value: 'x' }))
    await Promise.all([cache.set(entries), cache.set(entries), cache.set(entries)])
    assert.equal(count('cache.dropped'), 2)
    assert.equal((await ask(cache)).hits, 3_000)
  })

  test('an event loop that was blocked for 200 ms and more does not make a healthy Redis look ill', async () => {
    const { server, cache, count } = await openOn({ command_timeout_ms: PATIENT.command_timeout_ms })
    await new Promise((resolve) => setImmediate(resolve)) // the timers are next, before the sockets
    const asked = cache.get(KEYS)
    const end = performance.now() + 200
    blockUntilAnswered(server.port, KEYS.length / 500)
    while (performance.now() < end);
    assert.equal((await asked)[0], 'kept')
    assert.equal(count('cache.failed'), 0)
  })
})

describe('an address where Redis is not', () => {
  test('nobody listens: misses at once, one event, no unhandled error', async (t) => {
    const { cache, count } = open('redis://127.0.0.1:1')
    await until(() => count('cache.failed') > 0)
    await askFor(cache, 500, t)
    assert.equal(count('cache.failed'), 1)
    assert.equal(await cache.ready(50), false)
  })

  test('a black hole that accepts and never answers: misses at once', async (t) => {
    const hole = await startBlackHole()
    toClose.push(() => hole.stop())
    const { cache, count } = open(hole.url)
    await askFor(cache, 2_500, t)
    await soon(cache.set([{ key: 'a', value: 'b' }]))
    await until(() => count('cache.failed') > 0)
    assert.equal(count('cache.failed'), 1)
  })
})
