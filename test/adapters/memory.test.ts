// The memory cache's bounds, and how two layers work together. What both share with Redis is in test/contract/.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/adapters/clock.ts'
import { memoryCache } from '../../src/adapters/memory/cache.ts'
import { layeredCache } from '../../src/adapters/memory/layered.ts'
import type { Cache } from '../../src/ports/cache.ts'
import { silent } from '../../src/ports/events.ts'
import type { Emit } from '../../src/ports/events.ts'

const LIMITS = { entries_max: 1_000, bytes_max: 1_000_000, ttl_s: 60 }

async function countOf(cache: Cache, keys: readonly string[]): Promise<number> {
  return (await cache.get(keys)).filter((value) => value !== undefined).length
}

describe('the memory cache', () => {
  test('holds its number of entries at most; what was used last stays', async () => {
    const cache = memoryCache({ ...LIMITS, entries_max: 10 })
    const keys = Array.from({ length: 20 }, (_, index) => `key:${index}`)
    await cache.set(keys.slice(0, 10).map((key) => ({ key, value: 'x' })))
    await cache.get(['key:0'])
    await cache.set(keys.slice(10, 15).map((key) => ({ key, value: 'x' })))
    assert.equal(await countOf(cache, keys), 10)
    assert.equal(cache.peek('key:0'), 'x')
    assert.equal(cache.peek('key:1'), undefined)
  })

  test('holds its number of bytes at most; one value larger than that is not kept and pushes nothing out', async () => {
    const cache = memoryCache({ ...LIMITS, bytes_max: 10_000 })
    const keys = Array.from({ length: 20 }, (_, index) => `key:${index}`)
    await cache.set(keys.map((key) => ({ key, value: 'x'.repeat(1_000) })))
    assert.equal(await countOf(cache, keys), 4)
    await cache.set([{ key: 'huge', value: 'x'.repeat(10_000) }])
    assert.equal(cache.peek('huge'), undefined)
    assert.equal(await countOf(cache, keys), 4)
  })

  test('believes an entry for its time only', async () => {
    const cache = memoryCache({ ...LIMITS, ttl_s: 0.05 })
    await cache.set([{ key: 'a', value: 'x' }])
    assert.equal(cache.peek('a'), 'x')
    await systemClock.sleep(1_100)
    assert.equal(cache.peek('a'), undefined)
  })
})

describe('two layers', () => {
  function spied(cache: Cache): Cache & { readonly asked: string[]; readonly written: string[] } {
    const asked: string[] = []
    const written: string[] = []
    return {
      asked,
      written,
      peek: () => undefined,
      async get(keys) {
        asked.push(...keys)
        return cache.get(keys)
      },
      async set(entries) {
        written.push(...entries.map(({ key }) => key))
        await cache.set(entries)
      },
      close: () => cache.close(),
    }
  }

  test('the back is asked for the misses of the front only, and its hits are known to the front from then on', async () => {
    const front = memoryCache(LIMITS)
    const back = spied(memoryCache(LIMITS))
    const cache = layeredCache(front, back, silent)
    await front.set([{ key: 'near', value: '1' }])
    await back.set([{ key: 'far', value: '2' }])
    assert.deepEqual(await cache.get(['far', 'near', 'none']), ['2', '1', undefined])
    assert.deepEqual(back.asked, ['far', 'none'])
    assert.equal(cache.peek('far'), '2')
    assert.deepEqual(await cache.get(['far', 'near']), ['2', '1'])
    assert.deepEqual(back.asked, ['far', 'none'])
  })

  test('a write reaches both and waits for the near one only', async () => {
    const front = memoryCache(LIMITS)
    const never: Cache = { ...memoryCache(LIMITS), set: () => new Promise(() => {}) }
    await layeredCache(front, never, silent).set([{ key: 'a', value: '1' }])
    assert.equal(front.peek('a'), '1')
    const back = spied(memoryCache(LIMITS))
    await layeredCache(front, back, silent).set([{ key: 'a', value: '2' }])
    assert.deepEqual(back.written, ['a'])
  })

  test('hits and misses are counted for each layer', async () => {
    const counted: Record<string, number> = {}
    const emit: Emit = (name, fields) => {
      assert.equal(name, 'cache.read')
      counted[`${fields['layer']} ${fields['found']}`] = Number(fields['keys'])
    }
    const front = memoryCache(LIMITS)
    const back = memoryCache(LIMITS)
    await front.set([{ key: 'near', value: '1' }])
    await back.set([{ key: 'far', value: '2' }])
    await layeredCache(front, back, emit).get(['near', 'far', 'none', 'nothing'])
    assert.deepEqual(counted, { 'process hit': 1, 'process miss': 3, 'remote hit': 1, 'remote miss': 2 })
  })
})
