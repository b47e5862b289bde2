// Every state that Redis can be in, and the two tiers that ask it: what a process without Redis says is held against them.
import { Redis } from 'ioredis'
import { systemClock } from '../../src/adapters/clock.ts'
import { layeredCache } from '../../src/adapters/memory/layered.ts'
import { memoryCache } from '../../src/adapters/memory/cache.ts'
import { redisCache } from '../../src/adapters/redis/cache.ts'
import { redisNear } from '../../src/adapters/redis/near.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import type { Answer, Reply } from '../../src/core/answer.ts'
import type { Item } from '../../src/core/item.ts'
import { inOrder } from '../../src/engine/in-order.ts'
import { silent } from '../../src/ports/events.ts'
import { exactTier } from '../../src/tiers/exact.ts'
import { similarTier } from '../../src/tiers/similar.ts'
import { LABELS, taskOf } from '../fakes/items.ts'
import { freePort } from '../../scripts/stack/ports.ts'
import { startBlackHole, startRedis } from './redis.ts'

/** A Redis, and what makes it ill. */
export interface RedisState {
  readonly url: string
  spoil(): Promise<void>
  stop(): Promise<void>
}

export interface Process {
  answer(items: readonly Item[]): Promise<readonly Reply[]>
  /** As after a commit: what the LLM said of these. */
  learn(items: readonly Item[], answers: readonly Answer[]): Promise<void>
  close(): void
}

const TASK = taskOf({ order: ['exact', 'similar'] })
const READY_MS = 500
const SCOPE = 'sluice:states'

/** The exact and the similar tier as the roles open them; `url` undefined: without Redis. */
export async function openProcess(url: string | undefined): Promise<Process> {
  const server = url === undefined ? undefined : redisServer({ url, clock: systemClock, emit: silent })
  await server?.ready(READY_MS)
  const memory = () => memoryCache({ entries_max: 10_000, bytes_max: 10_000_000, ttl_s: 300 })
  const asserted = server ? layeredCache(memory(), redisCache(server, 60), silent) : memory()
  const exact = exactTier({ task: TASK, asserted, estimated: memory(), localDigest: () => undefined, emit: silent })
  const store = server && redisNear(server, { scope: SCOPE, ttl_s: 60, clock: systemClock })
  const similar = similarTier({ task: TASK, store, clock: systemClock, emit: silent })
  return {
    answer: inOrder([exact, similar]).answer,
    learn: async (items, answers) => {
      await Promise.all([exact.remember(items, answers), similar.learn(items, answers)])
    },
    close: () => server?.close(),
  }
}

export const LLM_SAID: Answer = { label: LABELS.paths[0]!, probabilities: [], tier: 'llm', digest: 'llm:1' }

/** What somebody who can write to Redis may leave there, and what is no answer of this task. */
const POISON = [
  '',
  '{',
  'null',
  '2',
  '2[]',
  '9[["x"],"[]"]',
  `2[["garden hose"],"[\\"llm\\",\\"d\\",[\\"Food\\",\\"Poison\\"],[]]"]`,
  JSON.stringify(['llm', 'd', ['Food', 'Poison'], []]),
  JSON.stringify(['llm', 'd\n', LABELS.paths[0], []]),
  JSON.stringify(['llm', 'd', ['__proto__', 'constructor'], []]),
  '['.repeat(100_000),
  '\u0000\ud800',
]
const MANY = 20_000

type Meddle = (redis: Redis, keys: readonly string[]) => Promise<unknown>

/** A server that is well until a second client does something to it, or somebody to its process. */
async function meddled(meddle: Meddle, settings: readonly string[] = []): Promise<RedisState> {
  const own = await startRedis(0, settings)
  const client = new Redis(own.url)
  return {
    url: own.url,
    spoil: async () => void (await meddle(client, await client.keys('sluice:*'))),
    stop: async () => {
      client.disconnect()
      await own.stop()
    },
  }
}

async function signalled(signal: 'SIGSTOP' | 'SIGKILL'): Promise<RedisState> {
  const own = await startRedis()
  return { url: own.url, spoil: async () => own.signal(signal), stop: () => own.stop() }
}

const wrongType: Meddle = async (redis, keys) => {
  for (const key of keys) await redis.pipeline().del(key).rpush(key, 'a list').exec()
}

const poison: Meddle = async (redis, keys) => {
  for (const [at, key] of keys.entries())
    if ((await redis.type(key)) === 'string') await redis.set(key, POISON[at % POISON.length]!)
    else await redis.zadd(key, ...Array.from({ length: 10 }, (_, id) => [9e15, `foreign ${id}`]).flat())
  const crowded = keys.find((key) => /:0:/.test(key))
  if (crowded !== undefined)
    await redis.zadd(crowded, ...Array.from({ length: MANY }, (_, id) => [9e15, `more ${id}`]).flat())
}

const full: Meddle = async (redis) => {
  await redis.config('SET', 'maxmemory-policy', 'noeviction')
  await redis.config('SET', 'maxmemory', '1')
}

/** A replica of nobody who is there: it keeps what it has and takes no writes. */
const readOnly: Meddle = async (redis) => redis.replicaof('127.0.0.1', 1)

async function absent(): Promise<RedisState> {
  return { url: `redis://127.0.0.1:${await freePort()}`, spoil: async () => {}, stop: async () => {} }
}

async function blackHole(): Promise<RedisState> {
  const { url, stop } = await startBlackHole()
  return { url, spoil: async () => {}, stop }
}

export interface NamedState {
  readonly name: string
  /** What is taught before it goes ill is kept. */
  readonly keeps: boolean
  /** What was kept is found while it is ill. */
  readonly reads: boolean
  open(): Promise<RedisState>
}

export const STATES: readonly NamedState[] = [
  { name: 'well', keeps: true, reads: true, open: () => meddled(async () => {}) },
  { name: 'absent', keeps: false, reads: false, open: absent },
  { name: 'a black hole', keeps: false, reads: false, open: blackHole },
  { name: 'stopped', keeps: true, reads: false, open: () => signalled('SIGSTOP') },
  { name: 'killed', keeps: true, reads: false, open: () => signalled('SIGKILL') },
  { name: 'full', keeps: true, reads: true, open: () => meddled(full) },
  { name: 'read-only', keeps: true, reads: true, open: () => meddled(readOnly) },
  { name: 'of other types', keeps: true, reads: false, open: () => meddled(wrongType) },
  { name: 'poisoned', keeps: true, reads: false, open: () => meddled(poison) },
]
