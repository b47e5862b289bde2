// What every cache promises, said once and run on the memory cache, the layered cache and a real Redis.
// Redis is a child process of the test; without redis-server its part is skipped, with the reason.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/adapters/clock.ts'
import { memoryCache } from '../../src/adapters/memory/cache.ts'
import { layeredCache } from '../../src/adapters/memory/layered.ts'
import { redisCache } from '../../src/adapters/redis/cache.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import type { RedisServer } from '../../src/adapters/redis/server.ts'
import type { Cache, CacheEntry } from '../../src/ports/cache.ts'
import { silent } from '../../src/ports/events.ts'
import { noRedis, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'

const LIMITS = { entries_max: 20_000, bytes_max: 16_000_000, ttl_s: 60 }

function cacheContract(name: string, open: () => Promise<Cache>, skip: false | string = false): void {
  describe(`the cache contract, kept by ${name}`, { skip }, () => {
    let cache: Cache
    before(async () => {
      cache = await open()
    })
    after(() => cache.close())

    test('a key that was never set is a miss', async () => {
      assert.deepEqual(await cache.get(['never']), [undefined])
      assert.equal(cache.peek('never'), undefined)
    })

    test('a key that was set is a hit, whatever characters the value holds', async () => {
      const value = '["llm","d:1",["Käse","奶酪 🧀","a\\nb\\u0000"],[]]'
      await cache.set([{ key: 'one', value }])
      assert.deepEqual(await cache.get(['one']), [value])
    })

    test('an empty value is a hit', async () => {
      await cache.set([{ key: 'empty', value: '' }])
      assert.deepEqual(await cache.get(['empty']), [''])
    })

    test('values come back in the order of the keys, with misses in their places and repeated keys answered twice', async () => {
      await cache.set([entry('a'), entry('b'), entry('c')])
      const found = await cache.get(['c', 'missing', 'a', 'c', 'b'])
      assert.deepEqual(found, ['value of c', undefined, 'value of a', 'value of c', 'value of b'])
    })

    test('the last value set is the one that is read', async () => {
      await cache.set([entry('twice')])
      await cache.set([{ key: 'twice', value: 'second' }])
      assert.deepEqual(await cache.get(['twice']), ['second'])
    })

    test('nothing asked is nothing answered; nothing set is no error', async () => {
      assert.deepEqual(await cache.get([]), [])
      await cache.set([])
    })

    test('a batch of 5,000 keys is answered whole and in order', async () => {
      const keys = Array.from({ length: 5_000 }, (_, index) => `batch:${index}`)
      const kept = keys.filter((_, index) => index % 3 !== 0)
      for (let start = 0; start < kept.length; start += 1_000)
        await cache.set(kept.slice(start, start + 1_000).map(entry))
      const expected = keys.map((key, index) => (index % 3 === 0 ? undefined : `value of ${key}`))
      assert.deepEqual(await cache.get(keys), expected)
    })

    test('what peek knows, get knows too', async () => {
      await cache.set([entry('peeked')])
      const peeked = cache.peek('peeked')
      assert.ok(peeked === undefined || peeked === 'value of peeked')
      assert.deepEqual(await cache.get(['peeked']), ['value of peeked'])
    })
  })
}

function entry(key: string): CacheEntry {
  return { key, value: `value of ${key}` }
}

/** What a call may cost is said in test/adapters/redis-faults.test.ts: a machine that stalls here is no miss. */
const PATIENT = { deadline_ms: 30_000, command_timeout_ms: 30_000 }

let redis: OwnRedis | undefined
const servers: RedisServer[] = []
async function openRedis(): Promise<Cache> {
  redis ??= await startRedis()
  const server = redisServer({ url: redis.url, clock: systemClock, emit: silent, ...PATIENT })
  assert.ok(await server.ready(30_000), 'Redis did not answer')
  servers.push(server)
  return redisCache(server, 60)
}
after(async () => {
  for (const server of servers) server.close()
  await redis?.stop()
})

cacheContract('memory', async () => memoryCache(LIMITS))
cacheContract('memory in front of memory', async () => layeredCache(memoryCache(LIMITS), memoryCache(LIMITS), silent))
cacheContract('Redis', openRedis, noRedis)
cacheContract(
  'memory in front of Redis',
  async () => layeredCache(memoryCache(LIMITS), await openRedis(), silent),
  noRedis,
)
