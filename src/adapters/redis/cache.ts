// The cache port over Redis. Anything wrong with the server or with a value reads as a miss (see server.ts).
import type { Redis } from 'ioredis'
import type { Cache, CacheEntry } from '../../ports/cache.ts'
import type { RedisServer } from './server.ts'

/** Keys a command and commands a pipeline: Redis serves others between two of them. */
const CHUNK = 500

/** `ttl_s`: how long an entry is kept, seconds. Closing is the server's business. */
export function redisCache(server: RedisServer, ttl_s: number): Cache {
  return {
    peek: () => undefined,
    async get(keys) {
      const values: (string | undefined)[] = Array.from({ length: keys.length })
      const answered = await server.read(keys.length, (redis) =>
        cut(keys).map(async (chunk, index) => {
          const found = await redis.mget(chunk)
          for (let at = 0; at < chunk.length; at++) values[index * CHUNK + at] = found[at] ?? undefined
        }),
      )
      return answered === 'late' ? values.slice() : values
    },
    set: (entries) =>
      server.write(entries.length, (redis) => cut(entries).map((chunk) => setChunk(redis, chunk, ttl_s))),
    close: async () => {},
  }
}

/** Rejects with the first error of the chunk: no room, read-only, no permission. */
async function setChunk(redis: Redis, entries: readonly CacheEntry[], ttl_s: number): Promise<void> {
  const replies = await redis.pipeline(entries.map(({ key, value }) => ['set', key, value, 'EX', ttl_s])).exec()
  for (const [error] of replies ?? []) if (error) throw error
}

function cut<T>(list: readonly T[]): T[][] {
  const chunks: T[][] = []
  for (let start = 0; start < list.length; start += CHUNK) chunks.push(list.slice(start, start + CHUNK))
  return chunks
}
