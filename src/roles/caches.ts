// The two caches of a process: what was asserted (shared through Redis where there is one) and what was estimated.
import { systemClock } from '../adapters/clock.ts'
import type { Config } from '../adapters/config/schema.ts'
import { memoryCache } from '../adapters/memory/cache.ts'
import { layeredCache } from '../adapters/memory/layered.ts'
import { redisCache } from '../adapters/redis/cache.ts'
import { redisLeases } from '../adapters/redis/leases.ts'
import { redisNear } from '../adapters/redis/near.ts'
import { redisServer } from '../adapters/redis/server.ts'
import type { Task } from '../core/task.ts'
import { NORMALISER_VERSION } from '../core/text/normalise.ts'
import type { Cache } from '../ports/cache.ts'
import type { Emit } from '../ports/events.ts'
import type { Leases } from '../ports/leases.ts'
import type { NearStore } from '../ports/near.ts'

/** Starting waits this long for Redis, then goes on without it. */
const REDIS_READY_MS = 500
/** A correction made by another process stays unseen in this one for at most this long. */
const IN_PROCESS_TTL_S = 300
/** Others wait this long for a process that died while it asked. */
const LEASE_MS = 10_000

/** Begins the keys of what processes share about a task's texts: answers of another label set or spelling are never found. */
export function scopeOf({ name, labelsDigest }: Task): string {
  return `sluice:${name}:${labelsDigest}:${NORMALISER_VERSION}`
}

export interface Caches {
  /** Answers of the LLM and of people. */
  readonly asserted: Cache
  /** Answers of local models: in this process only, computing them again costs less than asking Redis. */
  readonly estimated: Cache
  /** What all processes know of answered texts under this prefix; undefined without Redis. */
  near(scope: string): NearStore | undefined
  /** Who asks about which text now, over all processes; undefined without Redis. */
  leases(scope: string): Leases | undefined
  /** False while Redis is there by configuration and does not answer. */
  healthy(): boolean
  close(): Promise<void>
}

export async function openCaches({ cache, redis: settings }: Config, emit: Emit): Promise<Caches> {
  const { url, ttl_s } = settings
  const inProcess = () => memoryCache({ ...cache, ttl_s: Math.min(ttl_s, IN_PROCESS_TTL_S) })
  const redis = url === '' ? undefined : redisServer({ url, clock: systemClock, emit })
  await redis?.ready(REDIS_READY_MS)
  const asserted = redis ? layeredCache(inProcess(), redisCache(redis, ttl_s), emit) : inProcess()
  const estimated = inProcess()
  return {
    asserted,
    estimated,
    leases: (scope) => redis && redisLeases(redis, { scope, lease_ms: LEASE_MS }),
    near: (scope) => redis && redisNear(redis, { scope, ttl_s, clock: systemClock }),
    healthy: () => redis?.healthy() ?? true,
    close: async () => {
      await Promise.all([asserted.close(), estimated.close()])
      redis?.close()
    },
  }
}
