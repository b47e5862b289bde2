// The cache port in this process's memory: least recently used entries go first, nothing lives longer than its time.
// Must never hold more than its two bounds, whatever is put in.
import { LRUCache } from 'lru-cache'
import type { Cache, CacheEntry } from '../../ports/cache.ts'

export interface MemoryCacheOptions {
  readonly entries_max: number
  /** Keys and values together, counted as two bytes a character plus what an entry costs the heap. */
  readonly bytes_max: number
  /** Seconds an entry is believed; bounds how long a correction made by another process stays unseen. */
  readonly ttl_s: number
}

/** What the LRU itself costs per entry: slots in its arrays and map, string headers. */
const ENTRY_OVERHEAD_BYTES = 120

/** An entry's age may be off by this much: asking the clock for each key would cost more than the lookup. */
const AGE_RESOLUTION_MS = 1_000

export function memoryCache({ entries_max, bytes_max, ttl_s }: MemoryCacheOptions): Cache {
  const lru = new LRUCache<string, string>({
    max: entries_max,
    maxSize: bytes_max,
    sizeCalculation: (value, key) => 2 * (key.length + value.length) + ENTRY_OVERHEAD_BYTES,
    ttl: ttl_s * 1_000,
    ttlResolution: AGE_RESOLUTION_MS,
  })
  return {
    peek: (key) => lru.get(key),
    get: async (keys) => keys.map((key) => lru.get(key)),
    async set(entries: readonly CacheEntry[]) {
      for (const { key, value } of entries) lru.set(key, value)
    },
    async close() {
      lru.clear()
    },
  }
}
