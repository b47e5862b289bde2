// The budget port over Redis: one counter a limit for all processes, read and raised in one script, by Redis's own clock.
// Where Redis does not answer, calls are paid from a part that was kept back for that and divided among the processes
// beforehand; when that is spent too, they wait. So the sum is never more than the budget, whatever Redis does.
// A counter that is not there (a Redis that was emptied, too) begins with what the ledger says was spent.
import { allLimits, limitsOf, tally, windowOf } from '../../core/llm/budget.ts'
import type { Amount, BudgetSettings, Limit } from '../../core/llm/budget.ts'
import type { Budget, History, Reserved } from '../../ports/budget.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Emit } from '../../ports/events.ts'
import type { RedisServer } from './server.ts'

const TTL_MS = 172_800_000
const RETRY_MS = 1_000

/**
 * KEYS: the counters. ARGV: tokens, nanodollars, milliseconds to live, then a counter: window's length, most tokens, most
 * nanodollars (-1: no bound), and what to begin with: window, tokens, nanodollars (window -1: unknown).
 * Gives -1 where a counter is not there and nobody says what to begin with; 0, then of every counter its window and birth;
 * or the number of the counter that refuses, and the milliseconds to the end of its window.
 */
const RESERVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local tokens, money = tonumber(ARGV[1]), tonumber(ARGV[2])
local counters = {}
for at, key in ipairs(KEYS) do
  local arg = 3 + 6 * (at - 1)
  local length, tokens_max, money_max = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3])
  local held = redis.call('HMGET', key, 'window', 'tokens', 'nanousd', 'born')
  local born = held[4]
  if not held[1] then
    if ARGV[arg + 4] == '-1' then return {-1} end
    held = { ARGV[arg + 4], ARGV[arg + 5], ARGV[arg + 6] }
    born = time[1] .. '.' .. time[2]
  end
  local window = math.max(math.floor(now / length), tonumber(held[1]))
  local old = window > tonumber(held[1])
  local had_tokens = old and 0 or tonumber(held[2])
  local had_money = old and 0 or tonumber(held[3])
  if (tokens_max >= 0 and had_tokens + tokens > tokens_max) or (money_max >= 0 and had_money + money > money_max) then
    return {at, (window + 1) * length - now}
  end
  counters[at] = { window, had_tokens + tokens, had_money + money, born }
end
local out = {0}
for at, key in ipairs(KEYS) do
  local c = counters[at]
  local window = string.format('%.0f', c[1])
  redis.call('HSET', key, 'window', window, 'tokens', string.format('%.0f', c[2]),
    'nanousd', string.format('%.0f', c[3]), 'born', c[4])
  redis.call('PEXPIRE', key, ARGV[3])
  out[#out + 1] = window
  out[#out + 1] = c[4]
end
return out`

/** KEYS: the counters. ARGV: change of tokens and nanodollars, then window and birth a counter: another one's is left alone. */
const SETTLE = `
for at, key in ipairs(KEYS) do
  local held = redis.call('HMGET', key, 'window', 'born')
  if held[1] == ARGV[1 + 2 * at] and held[2] == ARGV[2 + 2 * at] then
    redis.call('HINCRBY', key, 'tokens', ARGV[1])
    redis.call('HINCRBY', key, 'nanousd', ARGV[2])
  end
end`

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
  let reading: ReturnType<History> | undefined

  function setAlone(next: boolean): void {
    if (next !== alone) emit('budget.switched', { purse: next ? 'own' : 'shared' })
    alone = next
  }

  /** What the script says; undefined where Redis does not answer. It may have reserved all the same: that stands. */
  async function run(limits: readonly Limit[], most: Amount, begin: readonly (readonly number[])[]) {
    const bounds = limits.flatMap(({ window_ms, max }, at) => [
      window_ms,
      ...[max.tokens, max.nanousd].map((most) => (most === Infinity ? -1 : most)),
      ...begin[at]!,
    ])
    let said: readonly (string | number)[] | undefined
    await server.read(1, (redis) => [
      redis
        .eval(RESERVE, limits.length, ...limits.map(keyOf), most.tokens, most.nanousd, TTL_MS, ...bounds)
        .then((reply) => (said = reply as (string | number)[])),
    ])
    return said
  }

  const since = (now: number) =>
    Math.min(...allLimits(settings, share).map((limit) => windowOf(limit, now) * limit.window_ms))

  async function spentSoFar(limits: readonly Limit[]): Promise<number[][]> {
    const now = clock.now()
    // Once for all who ask meanwhile; of all limits, whichever these are.
    reading ??= history('shared', since(now)).finally(() => (reading = undefined))
    const spendings = await reading
    return limits.map((limit) => {
      const { window, tokens, nanousd } = tally(limit, spendings, now)
      return [window, tokens, nanousd]
    })
  }

  function granted(limits: readonly Limit[], most: Amount, counters: readonly (string | number)[]): Reserved {
    return {
      kind: 'reserved',
      purse: 'shared',
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
      let said = await run(
        limits,
        most,
        limits.map(() => [-1, 0, 0]),
      )
      if (said?.[0] === -1) {
        const begin = await spentSoFar(limits).catch(() => undefined)
        if (begin === undefined) return { kind: 'over', limit: 'ledger', wait_ms: RETRY_MS }
        said = await run(limits, most, begin)
      }
      setAlone(said === undefined)
      if (said === undefined) return own.reserve(task, most)
      const [refusing, ...rest] = said
      if (refusing === 0) return granted(limits, most, rest)
      return { kind: 'over', limit: limits[Number(refusing) - 1]!.name, wait_ms: Math.max(1, Number(rest[0])) }
    },
  }
}
