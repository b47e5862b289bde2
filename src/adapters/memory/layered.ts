// Two caches as one: a near one that answers at once in front of a shared one.
// Must never let the back delay a write, and never ask it for what the front knows.
import type { Cache, CacheEntry } from '../../ports/cache.ts'
import type { Emit } from '../../ports/events.ts'

/** `back` bounds its own waiting and its own queue (the cache port asks that of it). Closing closes both. */
export function layeredCache(front: Cache, back: Cache, emit: Emit): Cache {
  async function get(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const values = (await front.get(keys)).slice()
    const asked: number[] = []
    for (let at = 0; at < values.length; at++) if (values[at] === undefined) asked.push(at)
    count(emit, 'process', keys.length - asked.length, asked.length)
    if (asked.length === 0) return values

    const found = await back.get(asked.map((at) => keys[at]!))
    const copies: CacheEntry[] = []
    for (let position = 0; position < asked.length; position++) {
      const value = found[position]
      if (value === undefined) continue
      const at = asked[position]!
      values[at] = value
      copies.push({ key: keys[at]!, value })
    }
    count(emit, 'remote', copies.length, asked.length - copies.length)
    if (copies.length > 0) await front.set(copies)
    return values
  }

  return {
    peek: (key) => front.peek(key),
    get,
    async set(entries) {
      void back.set(entries)
      await front.set(entries)
    },
    async close() {
      await Promise.all([front.close(), back.close()])
    },
  }
}

function count(emit: Emit, layer: 'process' | 'remote', hits: number, misses: number): void {
  if (hits > 0) emit('cache.read', { layer, found: 'hit', keys: hits })
  if (misses > 0) emit('cache.read', { layer, found: 'miss', keys: misses })
}
