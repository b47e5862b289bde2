// The lease port over Redis: a key that is set where it was not (NX), lives for a time (PX), and is renewed and deleted only
// while it still holds its owner's name (Redis documentation, "Distributed locks with Redis", the single-instance lock).
// Two owners at once cost a call, never an answer: nothing here has to be exact when Redis is ill.
import type { Redis } from 'ioredis'
import type { Leases } from '../../ports/leases.ts'
import type { RedisServer } from './server.ts'

/** Keys a script: Redis serves others between two of them. */
const CHUNK = 500

/** ARGV: owner, milliseconds. Gives the owner of each key, empty where that is no string. */
const TAKE = `
local out = {}
for at, key in ipairs(KEYS) do
  if redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) then
    out[at] = ARGV[1]
  else
    local held = redis.pcall('GET', key)
    out[at] = type(held) == 'string' and held or ''
  end
end
return out`

/** ARGV: owner, then milliseconds to live on, or none to delete. */
const CHANGE = `
for _, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[1] then
    if ARGV[2] then redis.call('PEXPIRE', key, ARGV[2]) else redis.call('DEL', key) end
  end
end`

export interface RedisLeasesOptions {
  /** Begins every key: task, label set and spelling. */
  readonly scope: string
  readonly lease_ms: number
}

export function redisLeases(server: RedisServer, { scope, lease_ms }: RedisLeasesOptions): Leases {
  const named = (keys: readonly string[]) => keys.map((key) => `${scope}:asked:${key}`)
  const change = (keys: readonly string[], args: readonly (string | number)[]) =>
    server.write(keys.length, (redis) => chunks(keys).map((chunk) => run(redis, CHANGE, named(chunk), args)))

  return {
    lease_ms,
    async take(keys, owner) {
      const owners: (string | undefined)[] = keys.map(() => undefined)
      await server.write(keys.length, (redis) =>
        chunks(keys).map(async (chunk, index) => {
          const said = (await run(redis, TAKE, named(chunk), [owner, lease_ms])) as string[]
          said.forEach((it, at) => (owners[index * CHUNK + at] = it === '' ? undefined : it))
        }),
      )
      return owners.slice() // a script that answers after the deadline changes nothing any more
    },
    async look(keys) {
      const owners: (string | undefined)[] = keys.map(() => undefined)
      await server.read(keys.length, (redis) =>
        chunks(keys).map(async (chunk, index) => {
          const said = await redis.mget(named(chunk))
          said.forEach((it, at) => (owners[index * CHUNK + at] = it ?? undefined))
        }),
      )
      return owners.slice()
    },
    renew: (keys, owner) => change(keys, [owner, lease_ms]),
    free: (keys, owner) => change(keys, [owner]),
  }
}

function run(redis: Redis, script: string, keys: readonly string[], args: readonly (string | number)[]) {
  return redis.eval(script, keys.length, ...keys, ...args)
}

function chunks(keys: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(keys.length / CHUNK) }, (_, at) => keys.slice(at * CHUNK, (at + 1) * CHUNK))
}
