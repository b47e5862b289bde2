// One Redis server, shared by all processes. Whatever state it is in (absent, hung, full, read-only), asking it resolves
// within a deadline, and what goes wrong is an event, never an error.
// Must never throw, queue without a bound, or add more than DEADLINE_MS to a batch of a loop that is not blocked.
import { Redis } from 'ioredis'
import { createCircuit } from './circuit.ts'
import type { Episode, Operation } from './circuit.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Emit } from '../../ports/events.ts'

/** Whole call, whatever its number of keys; a timer may be some milliseconds late, and 60 are promised. */
const DEADLINE_MS = 45
const KEYS_IN_FLIGHT_MAX = 50_000
const ENTRIES_IN_FLIGHT_MAX = 5_000
const CONNECT_TIMEOUT_MS = 2_000
const RECONNECT_MAX_MS = 5_000
/** Ends the handshake of a hung server, and writes that nobody waits for any more. */
const COMMAND_TIMEOUT_MS = 1_000

/** What only writes are told, also those of a script that reads: Redis may serve reads all the same. */
const OF_WRITES: ReadonlySet<string> = new Set(['OOM', 'READONLY', 'MISCONF', 'NOREPLICAS'])

/** Scripts are not allowed here: that says nothing of the other commands, which a cache makes do with. */
const NO_SCRIPTS = 'NOEVAL'

export interface RedisServerOptions {
  /** redis:// or rediss:// address of one server (not a cluster: keys of one command may be in different slots). */
  readonly url: string
  readonly clock: Clock
  readonly emit: Emit
  /** Milliseconds for a whole call; where left out, DEADLINE_MS. */
  readonly deadline_ms?: number
  /** Milliseconds for what nobody waits for any more; where left out, COMMAND_TIMEOUT_MS. */
  readonly command_timeout_ms?: number
}

/** Commands under way together; what they find they put where the caller looks for it. */
export type Commands = (redis: Redis) => readonly Promise<unknown>[]

export interface RedisServer {
  /** Milliseconds after which a call is let go. */
  readonly deadline_ms: number
  /**
   * Reads `keys` keys. `late`: the deadline came first, and commands may still put values where they put them; `failed`:
   * some commands may have found theirs; `skipped`: nothing was asked.
   */
  read(keys: number, commands: Commands): Promise<'done' | 'late' | 'failed' | 'skipped'>
  /** Writes `entries` entries if it can; lets go at the deadline. */
  write(entries: number, commands: Commands): Promise<void>
  /** Resolves when Redis answers, false when it does not within the time. Calls before that are misses. */
  ready(within_ms: number): Promise<boolean>
  /** For health pages: does Redis serve reads right now? */
  healthy(): boolean
  close(): void
}

/** Connects in the background and for ever; never rejects. */
export function redisServer(options: RedisServerOptions): RedisServer {
  const { url, clock, emit, deadline_ms = DEADLINE_MS, command_timeout_ms = COMMAND_TIMEOUT_MS } = options
  const redis = connect(url, command_timeout_ms)
  const reads = createCircuit()
  const writes = createCircuit()
  let keysInFlight = 0
  let entriesInFlight = 0
  let lastError = 'closed'
  let leaving = false
  let closed = false
  let allowsScripts = true

  redis.on('error', (error: unknown) => (lastError = codeOf(error)))
  redis.on('close', () => {
    leaving = false
    if (!closed) noteFailure('connect', lastError, 0)
  })

  redis.on('ready', () => {
    noteRecovery(reads.connected())
    writes.connected()
  })

  const connected = () => redis.status === 'ready' && !leaving

  /** Gives a hung connection up, with all that waits on it; ioredis makes a new one in the background. */
  function reconnect(): void {
    if (!connected()) return
    leaving = true
    redis.disconnect(true)
  }

  /** The loss of the connection is one episode and one event, told by the reads; the writes only rest as well. */
  function noteFailure(asked: Operation, why: string, keys: number): void {
    const operation = connected() || why === 'timeout' ? asked : 'connect'
    const circuit = asked === 'set' ? writes : reads
    const begins = circuit.failed(clock.elapsed(), operation, keys)
    if (begins && (asked !== 'set' || operation === 'set')) emit('cache.failed', { operation, why, keys })
  }

  function noteNoScripts(operation: Operation, keys: number): void {
    if (!allowsScripts) return
    allowsScripts = false
    emit('cache.failed', { operation, why: NO_SCRIPTS, keys })
  }

  function noteRecovery(episode: Episode | undefined): void {
    if (episode === undefined) return
    const { operation, started, skipped } = episode
    emit('cache.recovered', { operation, skipped, seconds: (clock.elapsed() - started) / 1000 })
  }

  return {
    deadline_ms,
    async read(keys, commands) {
      if (keys === 0 || keysInFlight + keys > KEYS_IN_FLIGHT_MAX) return 'skipped'
      if (!reads.admit(clock.elapsed(), connected(), keys)) return 'skipped'
      keysInFlight += keys
      const why = await within(deadline_ms, outcome(commands(redis)))
      keysInFlight -= keys
      const ofWrites = why !== undefined && OF_WRITES.has(why)
      if (why === undefined || ofWrites || why === NO_SCRIPTS) noteRecovery(reads.succeeded())
      if (why === undefined) return 'done'
      if (why === NO_SCRIPTS) noteNoScripts('get', keys)
      else noteFailure(ofWrites ? 'set' : 'get', why, keys)
      if (why !== 'timeout') return 'failed'
      reconnect()
      return 'late'
    },
    async write(entries, commands) {
      if (entries === 0) return
      const busy = entriesInFlight + entries > ENTRIES_IN_FLIGHT_MAX
      if (busy || !writes.admit(clock.elapsed(), connected(), entries)) {
        emit('cache.dropped', { entries })
        return
      }
      entriesInFlight += entries
      const kept = outcome(commands(redis)).then((why) => {
        entriesInFlight -= entries
        if (why === undefined || why === NO_SCRIPTS) noteRecovery(writes.succeeded())
        if (why === undefined) return
        emit('cache.dropped', { entries })
        if (why === NO_SCRIPTS) return noteNoScripts('set', entries)
        noteFailure('set', why, entries)
        if (why === 'timeout') reconnect()
      })
      // The caller is let go at the deadline; a slow write may still succeed, until its command times out.
      await within(deadline_ms, kept)
    },
    healthy: () => connected() && reads.well,
    async ready(within_ms) {
      const deadline = clock.elapsed() + within_ms
      while (!connected() && clock.elapsed() < deadline) await clock.sleep(20)
      return connected()
    },
    close() {
      closed = true
      redis.disconnect()
    },
  }
}

function connect(url: string, command_timeout_ms: number): Redis {
  return new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: command_timeout_ms,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: 100,
    maxLoadingRetryTime: RECONNECT_MAX_MS,
    disableClientInfo: true,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), RECONNECT_MAX_MS),
  })
}

/** Waits for all of the work; never rejects. Why it failed, as a short code; undefined where all of it succeeded. */
async function outcome(work: readonly Promise<unknown>[]): Promise<string | undefined> {
  const failure = (await Promise.allSettled(work)).find((result) => result.status === 'rejected')
  return failure && codeOf(failure.reason)
}

/** The work's value, or `timeout` after the deadline. `work` never rejects. */
function within<T>(deadline_ms: number, work: Promise<T>): Promise<T | 'timeout'> {
  return new Promise((resolve) => {
    // After a blocked event loop the timer fires before the sockets are read: hence the extra turn.
    const timer = setTimeout(() => setImmediate(resolve, 'timeout' as const), deadline_ms)
    void work.then((value) => {
      clearTimeout(timer)
      resolve(value)
    })
  })
}

/** A short name of the error from a small set, for a metric's label: OOM, READONLY, ECONNREFUSED … */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error'
  if ('code' in error && typeof error.code === 'string') return error.code
  if (error.message === 'Command timed out') return 'timeout'
  if (/^(?:NOPERM|ERR unknown command)\b.*\beval\b/i.test(error.message)) return NO_SCRIPTS
  const word = /^([A-Z]{2,20}) /.exec(error.message)?.[1]
  return word ?? (error.message.startsWith('Connection is closed') ? 'closed' : error.name)
}
