// The shared store of similar texts over Redis: a sorted set of the newest ids a band, a string an entry.
// What Redis holds there that is not ours is passed over.
// Must never ask so much at once that a Redis which is well is late: what there is no time for is nothing found.
import type { Redis } from 'ioredis'
import type { Clock } from '../../ports/clock.ts'
import type { NearEntry, NearStore } from '../../ports/near.ts'
import type { RedisServer } from './server.ts'

/** Ids kept a band. */
const WAYS = 4
/** Questions a script: Redis serves others between two of them. */
const CHUNK = 25
/** Who says that the tier is off says it again, or it was somebody who is gone. */
const OFF_TTL_S = 3_600
/** Scripts under way at once: Redis works on one while the other's reply is read. */
const LANES = 2

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
  /** The newest ids of a band are kept; questions are asked for half of the server's deadline. */
  readonly clock: Pick<Clock, 'now' | 'elapsed'>
}

export function redisNear(server: RedisServer, { scope, ttl_s, clock }: RedisNearOptions): NearStore {
  const prefix = `${scope}:t:`
  const offKey = `${scope}:off`
  const bandKeys = (bands: Uint32Array) => Array.from(bands, (hash, band) => `${scope}:${band}:${hash.toString(36)}`)

  async function findChunk(redis: Redis, questions: readonly Uint32Array[]): Promise<NearEntry[][]> {
    const keys = questions.flatMap(bandKeys)
    const found = (await redis.eval(FIND, keys.length, ...keys, questions[0]!.length, prefix, WAYS)) as string[][]
    return found.map(entriesOf)
  }

  return {
    async find(questions) {
      const out: NearEntry[][] = questions.map(() => [])
      const until = clock.elapsed() + server.deadline_ms / 2
      let next = 0
      const lane = async (redis: Redis): Promise<void> => {
        while (next < questions.length && clock.elapsed() < until) {
          const start = next
          next += CHUNK
          const found = await findChunk(redis, questions.slice(start, next))
          found.forEach((entries, at) => (out[start + at] = entries))
        }
      }
      const keysAtOnce = Math.min(questions.length, LANES * CHUNK) * (questions[0]?.length ?? 0)
      const answered = await server.read(keysAtOnce, (redis) => Array.from({ length: LANES }, () => lane(redis)))
      return answered === 'late' ? out.slice() : out
    },
    async isOff() {
      let said: readonly (string | null)[] | undefined
      // Unlike GET, MGET takes a key of another type for none.
      await server.read(1, (redis) => [redis.mget(offKey).then((found) => (said = found))])
      return said && said[0] === '1'
    },
    sayOff: (isOff) =>
      server.write(1, (redis) => [isOff ? redis.set(offKey, '1', 'EX', OFF_TTL_S) : redis.del(offKey)]),
    add: (entries) =>
      server.write(entries.length, (redis) =>
        entries.map(({ id, value, bands, rank }) => {
          const keys = [prefix + id, ...bandKeys(bands)]
          return redis.eval(ADD, keys.length, ...keys, id, `${rank}${value}`, clock.now(), ttl_s, WAYS)
        }),
      ),
  }
}

function entriesOf(flat: readonly string[]): NearEntry[] {
  const entries: NearEntry[] = []
  for (let at = 0; at + 1 < flat.length; at += 2) entries.push({ id: flat[at]!, value: flat[at + 1]!.slice(1) })
  return entries
}
