// The budget port over Redis: one counter a limit for all processes, read and raised in one script, by Redis's own clock.
// Where Redis does not answer, calls are paid from a part that was kept back for that and divided among the processes
// beforehand; when that is spent too, they wait. So the sum is never more than the budget, whatever Redis does.
// A counter that is new (in a Redis that was emptied, or started again from what it had saved) begins with what the ledger
// says was spent. Its birth is noted before the ledger is read, and a call asks after it was written down whether its
// counters are still those that it was reserved in: so none is in neither.
import { allLimits, fits, limitsOf, NOTHING, tally, windowOf } from '../../core/llm/budget.ts'
import type { Amount, BudgetSettings, Limit } from '../../core/llm/budget.ts'
import type { Budget, History, Reserved } from '../../ports/budget.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Emit } from '../../ports/events.ts'
import type { RedisServer } from './server.ts'

const TTL_MS = 172_800_000
const RETRY_MS = 1_000

/**
 * A Redis that was started again, or took another's place, may have lost the last that was counted: it counts as new. One
 * that does not say who it is (a user without the right) is taken for the same.
 */
const RUN = `
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''`

/**
 * KEYS: the counters. ARGV: tokens, nanodollars, milliseconds to live, then a counter: window's length, most tokens, most
 * nanodollars (-1: no bound), and what to begin with: window, tokens, nanodollars, and the birth after which these were read
 * (empty: unknown).
 * Gives -1 where a counter is new and nobody says what to begin with, then of every counter its birth; 0, then of every
 * counter its window and birth; or the number of the counter that refuses, and the milliseconds to the end of its window.
 */
const RESERVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
${RUN}
local tokens, money = tonumber(ARGV[1]), tonumber(ARGV[2])
local counters, births, unknown = {}, {-1}, false
for at, key in ipairs(KEYS) do
  local arg = 3 + 7 * (at - 1)
  local length, tokens_max, money_max = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3])
  local held = redis.call('HMGET', key, 'window', 'tokens', 'nanousd', 'born', 'run')
  if not held[4] or held[5] ~= run then
    held = { false, false, false, time[1] .. '.' .. time[2] }
    redis.call('DEL', key)
    redis.call('HSET', key, 'born', held[4], 'run', run)
    redis.call('PEXPIRE', key, ARGV[3])
  end
  local born = held[4]
  if not held[1] and ARGV[arg + 7] == born then
    held = { ARGV[arg + 4], ARGV[arg + 5], ARGV[arg + 6] }
    redis.call('HSET', key, 'window', held[1], 'tokens', held[2], 'nanousd', held[3])
  end
  births[#births + 1] = born
  if not held[1] then
    unknown = true
  else
    local window = math.max(math.floor(now / length), tonumber(held[1]))
    local old = window > tonumber(held[1])
    local had_tokens = old and 0 or tonumber(held[2])
    local had_money = old and 0 or tonumber(held[3])
    if (tokens_max >= 0 and had_tokens + tokens > tokens_max) or (money_max >= 0 and had_money + money > money_max) then
      return {at, (window + 1) * length - now}
    end
    counters[at] = { window, had_tokens + tokens, had_money + money, born }
  end
end
if unknown then return births end
local out = {0}
for at, key in ipairs(KEYS) do
  local c = counters[at]
  local window = string.format('%.0f', c[1])
  redis.call('HSET', key, 'window', window, 'tokens', string.format('%.0f', c[2]), 'nanousd', string.format('%.0f', c[3]))
  redis.call('PEXPIRE', key, ARGV[3])
  out[#out + 1] = window
  out[#out + 1] = c[4]
end
return out`

/** KEYS: the counters. ARGV: a counter's birth. 1 where all of them are still those. */
const STANDS = `
${RUN}
for at, key in ipairs(KEYS) do
  local held = redis.call('HMGET', key, 'born', 'run')
  if held[1] ~= ARGV[at] or held[2] ~= run then return 0 end
end
return 1`

/** KEYS: the counters. ARGV: change of tokens and nanodollars, then window and birth a counter: another one's is left alone. */
const SETTLE = `
for at, key in ipairs(KEYS) do
  local held = redis.call('HMGET', key, 'window', 'born')
  if held[1] == ARGV[1 + 2 * at] and held[2] == ARGV[2 + 2 * at] then
    redis.call('HINCRBY', key, 'tokens', ARGV[1])
    redis.call('HINCRBY', key, 'nanousd', ARGV[2])
  end
end`

/** Window, tokens and nanodollars that a counter begins with, and the birth of the counter for which they were read. */
type Begin = readonly [number, number, number, string | number]
const UNKNOWN: Begin = [0, 0, 0, '']

export interface RedisBudgetOptions {
  readonly settings: BudgetSettings
  /** Part of the budget, in (0, 1], that is counted here. */
  readonly share: number
  /** Begins every key: one a deployment. */
  readonly scope: string
  readonly history: History
  /** Pays where Redis does not answer. */
  readonly own: Budget
  readonly clock: Clock
  readonly emit: Emit
}

export function redisBudget(server: RedisServer, options: RedisBudgetOptions): Budget {
  const { settings, share, scope, history, own, clock, emit } = options
  const keyOf = ({ name }: Limit) => `${scope}:${name}`
  let alone = false
  /** How Redis answered last, for people. */
  let answer = ''
  /** By the births of the counters: what was read before a birth is nothing to begin with. */
  const readings = new Map<string, ReturnType<History>>()

  function setAlone(next: boolean): void {
    if (next !== alone) emit('budget.switched', { purse: next ? 'own' : 'shared', answer })
    alone = next
  }

  /** What the script says; undefined where Redis does not answer. What it did, it may have done all the same. */
  async function run<Said>(script: string, limits: readonly Limit[], args: readonly (string | number)[]) {
    let said: Said | undefined
    answer = await server.read(1, (redis) => [
      redis.eval(script, limits.length, ...limits.map(keyOf), ...args).then((reply) => (said = reply as Said)),
    ])
    return said
  }

  function take(limits: readonly Limit[], most: Amount, begin: readonly Begin[]) {
    const bounds = limits.flatMap(({ window_ms, max }, at) => [
      window_ms,
      ...[max.tokens, max.nanousd].map((most) => (most === Infinity ? -1 : most)),
      ...begin[at]!,
    ])
    return run<(string | number)[]>(RESERVE, limits, [most.tokens, most.nanousd, TTL_MS, ...bounds])
  }

  const since = (now: number) =>
    Math.min(...allLimits(settings, share).map((limit) => windowOf(limit, now) * limit.window_ms))

  async function spentSoFar(limits: readonly Limit[], births: readonly (string | number)[]): Promise<Begin[]> {
    const now = clock.now()
    const name = births.join(' ')
    // Once for all who ask meanwhile; of all limits, whichever these are.
    const reading = readings.get(name) ?? history('shared', since(now)).finally(() => readings.delete(name))
    readings.set(name, reading)
    const spendings = await reading
    return limits.map((limit, at) => {
      const { window, tokens, nanousd } = tally(limit, spendings, now)
      return [window, tokens, nanousd, births[at]!]
    })
  }

  function granted(limits: readonly Limit[], most: Amount, counters: readonly (string | number)[]): Reserved {
    return {
      kind: 'reserved',
      purse: 'shared',
      stands: async () =>
        (await run(
          STANDS,
          limits,
          counters.filter((_, at) => at % 2 === 1),
        )) === 1,
      settle: (actual) =>
        server.write(1, (redis) => [
          redis.eval(
            SETTLE,
            limits.length,
            ...limits.map(keyOf),
            actual.tokens - most.tokens,
            actual.nanousd - most.nanousd,
            ...counters,
          ),
        ]),
    }
  }

  return {
    async reserve(task, most) {
      const limits = limitsOf(settings, task, share)
      if (limits.length === 0) return own.reserve(task, most)
      let said = await take(
        limits,
        most,
        limits.map(() => UNKNOWN),
      )
      if (said?.[0] === -1) {
        const begin = await spentSoFar(limits, said.slice(1)).catch(() => undefined)
        if (begin) said = await take(limits, most, begin)
      }
      // The ledger could not be read, or Redis was emptied again meanwhile.
      if (said?.[0] === -1) return { kind: 'over', limit: 'ledger', wait_ms: RETRY_MS, never: false }
      setAlone(said === undefined)
      if (said === undefined) {
        const alone = await own.reserve(task, most)
        // What has no room in the part kept back has it again once Redis answers.
        return alone.kind === 'over' ? { ...alone, never: limits.some((limit) => !fits(limit, NOTHING, most)) } : alone
      }
      const [refusing, ...rest] = said
      if (refusing === 0) return granted(limits, most, rest)
      const limit = limits[Number(refusing) - 1]!
      const wait_ms = Math.max(1, Number(rest[0]))
      return { kind: 'over', limit: limit.name, wait_ms, never: !fits(limit, NOTHING, most) }
    },
  }
}
