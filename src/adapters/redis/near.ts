// The shared store of similar texts over Redis: a sorted set of the newest ids a band, a string an entry.
// One round trip either way; what Redis holds there that is not ours is passed over.
import type { Redis } from 'ioredis'
import type { NearEntry, NearStore } from '../../ports/near.ts'
import type { RedisServer } from './server.ts'

/** Ids kept a band. */
const WAYS = 4
/** Questions a script: Redis serves others between two of them. */
const CHUNK = 25

/**
 * KEYS: the bands of all questions. ARGV: bands a question, prefix of entries, ids a band. Gives id, value, id, value … a
 * question.
 */
const FIND = `
local per, prefix, last, out = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]) - 1, {}
for first = 1, #KEYS, per do
  local ids, keys, seen, found = {}, {}, {}, {}
  for at = first, first + per - 1 do
    local named = redis.pcall('ZREVRANGE', KEYS[at], 0, last)
    if not named.err then
      for _, id in ipairs(named) do
        if not seen[id] then
          seen[id] = true
          ids[#ids + 1] = id
          keys[#keys + 1] = prefix .. id
        end
      end
    end
  end
  if #keys > 0 then
    local values = redis.call('MGET', unpack(keys))
    for at, id in ipairs(ids) do
      if values[at] then
        found[#found + 1] = id
        found[#found + 1] = values[at]
      end
    end
  end
  out[#out + 1] = found
end
return out`

/**
 * KEYS: the entry, then its bands. ARGV: id, value, time, seconds to live, ids a band. A value begins with its rank; the
 * held one stays where its rank is higher. What is of another type under a key of ours is no loss.
 */
const ADD = `
local held = redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GETRANGE', KEYS[1], 0, 0) or ''
if held > string.sub(ARGV[2], 1, 1) and held <= '9' then return end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
for at = 2, #KEYS do
  local type = redis.call('TYPE', KEYS[at]).ok
  if type ~= 'zset' and type ~= 'none' then redis.call('DEL', KEYS[at]) end
  redis.call('ZADD', KEYS[at], ARGV[3], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[at], 0, -1 - tonumber(ARGV[5]))
  redis.call('EXPIRE', KEYS[at], ARGV[4])
end`

export interface RedisNearOptions {
  /** Begins every key: task, label set and spelling, so that answers of another world are never found. */
  readonly scope: string
  /** How long an entry is kept, seconds. */
  readonly ttl_s: number
  /** Milliseconds since the epoch: the newest ids of a band are kept. */
  readonly now: () => number
}

export function redisNear(server: RedisServer, { scope, ttl_s, now }: RedisNearOptions): NearStore {
  const prefix = `${scope}:t:`
  const bandKeys = (bands: Uint32Array) => Array.from(bands, (hash, band) => `${scope}:${band}:${hash.toString(36)}`)

  async function findChunk(redis: Redis, questions: readonly Uint32Array[]): Promise<NearEntry[][]> {
    const keys = questions.flatMap(bandKeys)
    const found = (await redis.eval(FIND, keys.length, ...keys, questions[0]!.length, prefix, WAYS)) as string[][]
    return found.map(entriesOf)
  }

  return {
    async find(questions) {
      const out: NearEntry[][] = questions.map(() => [])
      const answered = await server.read(questions.length * (questions[0]?.length ?? 0), (redis) =>
        starts(questions.length).map(async (start) => {
          const found = await findChunk(redis, questions.slice(start, start + CHUNK))
          found.forEach((entries, at) => (out[start + at] = entries))
        }),
      )
      return answered === 'late' ? out.slice() : out
    },
    add: (entries) =>
      server.write(entries.length, (redis) =>
        entries.map(({ id, value, bands, rank }) => {
          const keys = [prefix + id, ...bandKeys(bands)]
          return redis.eval(ADD, keys.length, ...keys, id, `${rank}${value}`, now(), ttl_s, WAYS)
        }),
      ),
  }
}

function entriesOf(flat: readonly string[]): NearEntry[] {
  const entries: NearEntry[] = []
  for (let at = 0; at + 1 < flat.length; at += 2) entries.push({ id: flat[at]!, value: flat[at + 1]!.slice(1) })
  return entries
}

function starts(length: number): number[] {
  return Array.from({ length: Math.ceil(length / CHUNK) }, (_, chunk) => chunk * CHUNK)
}
