// The stream port on kafkajs: a group member that hands batches to a handler and commits what comes back.
// The handler never sees ownership, fencing or retries; this file never looks into a record.
//
// One partition:   unclaimed ──claim──► claimed ──commit ok──► claimed
//                      ▲                   │ commit failed: still a member? claim again, compare offsets, repeat
//                      └── rebalance, seek ┘ not a member any more: drop the work, somebody else does it
import { SluiceError } from '../../core/error.ts'
import type { EachBatchPayload } from 'kafkajs'
import type { Emit } from '../../ports/events.ts'
import { BatchLeft } from '../../ports/stream.ts'
import type { Handler, OutputRecord, Stream } from '../../ports/stream.ts'
import type { KafkaClient } from './client.ts'
import { haltOnOutOfRange } from './offsets.ts'
import type { Offsets } from './offsets.ts'
import { recordOf } from './record.ts'
import { watchConsumer } from './watchdog.ts'
import { claimPlain, claimTransactional } from './writer.ts'
import type { PartitionWriter } from './writer.ts'

export interface StreamSettings {
  /** Labels the stream's stages: a task, or the fallback. */
  readonly name: string
  readonly group: string
  readonly topics: readonly string[]
  readonly delivery: 'exactly_once' | 'at_least_once'
  readonly session_timeout_ms: number
  readonly heartbeat_interval_ms: number
  readonly fetch_wait_ms: number
  readonly partition_bytes_max: number
  readonly partitions_concurrently: number
  /** A larger fetch is cut: one transaction covers at most this many input records. */
  readonly batch_records_max: number
  readonly transaction_timeout_ms: number
  /** No sign of life for this long is a wedge: the stream fails. */
  readonly wedge_ms: number
  /** A drain is over by then: half of it is for what is being handled (dropped, uncommitted, after that), the rest for leaving. */
  readonly shutdown_ms: number
}

export interface StreamDeps {
  readonly client: KafkaClient
  readonly offsets: Offsets
  readonly emit: Emit
}

export function createKafkaStream(settings: StreamSettings, { client, offsets, emit }: StreamDeps): Stream {
  const { group } = settings
  const leaving_ms = settings.shutdown_ms / 10
  const consumer = client.kafka.consumer({
    groupId: group,
    sessionTimeout: settings.session_timeout_ms,
    heartbeatInterval: settings.heartbeat_interval_ms,
    rebalanceTimeout: Math.max(settings.session_timeout_ms * 3, 30_000),
    maxWaitTimeInMs: settings.fetch_wait_ms,
    maxBytesPerPartition: settings.partition_bytes_max,
    allowAutoTopicCreation: false,
    retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 2000 },
  })
  const writers = new Map<string, Promise<PartitionWriter>>()
  const ended = Promise.withResolvers<void>()
  const working = new Set<Promise<void>>()
  let started: Promise<void> = Promise.resolve()
  let draining = false
  let patienceUntil = Infinity
  let failure: SluiceError | undefined

  function fail(error: SluiceError): void {
    failure ??= error
    ended.resolve()
  }

  function writerOf(topic: string, partition: number): Promise<PartitionWriter> {
    const key = `${topic}/${partition}`
    const known = writers.get(key)
    if (known) return known
    const claimed = claim(topic, partition)
    writers.set(key, claimed)
    claimed.catch(() => writers.get(key) === claimed && writers.delete(key))
    return claimed
  }

  async function claim(topic: string, partition: number): Promise<PartitionWriter> {
    const committedOffset = () => offsets.committed(group, topic, partition)
    const { transaction_timeout_ms } = settings
    const request = { group, topic, partition, transaction_timeout_ms, committedOffset }
    const writer = await (settings.delivery === 'exactly_once'
      ? claimTransactional(client.kafka, request)
      : claimPlain(client.kafka, consumer, request))
    emit('partition.claimed', { topic, partition, committed: String(writer.committed) })
    return writer
  }

  async function forget(keys: readonly string[]): Promise<void> {
    const dropped = keys.map((key) => writers.get(key))
    for (const key of keys) writers.delete(key)
    await Promise.all(dropped.map((writer) => writer?.then((it) => it.discard()).catch(() => {})))
  }

  /** True when committed; false when the partition had moved on without us and was sought to where it is. */
  async function commit(
    payload: EachBatchPayload,
    outputs: readonly OutputRecord[],
    from: bigint,
    next: bigint,
  ): Promise<boolean> {
    const { topic, partition } = payload.batch
    const deadline = performance.now() + settings.wedge_ms * 0.75
    for (let attempt = 0; ; attempt++) {
      try {
        const writer = await writerOf(topic, partition)
        if (attempt > 0 && writer.committed >= next) return true // it had arrived, only the reply was lost
        if (writer.committed > from) return skipTo(topic, partition, writer.committed)
        await writer.commit(outputs, next)
        return true
      } catch (error) {
        emit('transaction.failed', { topic, partition, attempt, error: errorName(error) })
        await forget([`${topic}/${partition}`])
        if (performance.now() > patienceUntil) throw new BatchLeft()
        const where = `${topic}/${partition} of group ${group}, tried ${attempt + 1} times`
        if (performance.now() > deadline) throw new SluiceError('SL203', where, { cause: error })
        // Longer than the interval within which kafkajs sends no second heartbeat: the next one asks the broker.
        await new Promise((resolve) => setTimeout(resolve, settings.heartbeat_interval_ms + 100))
        await assertStillMember(payload)
      }
    }
  }

  function skipTo(topic: string, partition: number, offset: bigint): false {
    consumer.seek({ topic, partition, offset: String(offset) })
    return false
  }

  async function handleBatch(payload: EachBatchPayload, handler: Handler): Promise<void> {
    const { batch } = payload
    const { topic, partition, messages } = batch
    await payload.heartbeat()
    const { committed } = await writerOf(topic, partition)
    let position = BigInt(messages[0]!.offset)
    if (committed > position) {
      skipTo(topic, partition, committed)
      return
    }
    const progress = async () => {
      if (failure || performance.now() > patienceUntil) throw new BatchLeft()
      await payload.heartbeat()
    }
    for (let start = 0; start < messages.length; start += settings.batch_records_max) {
      if (draining || failure || payload.isStale() || !payload.isRunning()) return
      const slice = messages.slice(start, start + settings.batch_records_max)
      const last = slice.at(-1)!.offset
      const isLast = start + slice.length === messages.length
      const next = (isLast ? BigInt(batch.lastOffset()) : BigInt(last)) + 1n // past control records and gaps
      const after: Parameters<Parameters<Handler>[2]>[] = []
      let committing = 0
      let isCommitted = false
      try {
        const records = slice.map(recordOf)
        const outputs = await handler({ topic, partition, records }, progress, (...works) => after.push(works))
        committing = performance.now()
        isCommitted = await commit(payload, outputs, position, next)
      } finally {
        if (!isCommitted) for (const [, otherwise] of after) otherwise?.()
      }
      if (!isCommitted) return
      const seconds = (performance.now() - committing) / 1000
      emit('stage.timed', { task: settings.name, stage: 'commit', seconds })
      emit('batch.committed', { task: settings.name, role: group, records: slice.length })
      position = next
      payload.resolveOffset(last)
      await Promise.all(after.map(([work]) => work()))
      emit('lag.measured', { topic, partition, records: Number(BigInt(batch.highWatermark) - next) })
      await payload.heartbeat()
    }
  }

  async function eachBatch(payload: EachBatchPayload, handler: Handler): Promise<void> {
    try {
      if (!failure && !draining) await handleBatch(payload, handler)
    } catch (error) {
      if (error instanceof BatchLeft) return
      if (isKafkaError(error)) throw error // kafkajs knows: rejoin, retry or crash
      fail(error instanceof SluiceError ? error : new SluiceError('SL205', errorName(error), { cause: error }))
    }
  }

  /** Resolves when the group was joined: leaving it earlier would leave a member behind that nobody is. */
  async function start(handler: Handler): Promise<void> {
    await offsets.assertInRange(group, settings.topics)
    if (draining) return
    await consumer.connect()
    await consumer.subscribe({ topics: [...settings.topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: settings.partitions_concurrently,
      eachBatch(payload) {
        const work = eachBatch(payload, handler).finally(() => working.delete(work))
        working.add(work)
        return work
      },
    })
  }

  return {
    async run(handler) {
      const halt = haltOnOutOfRange(fail)
      client.onLog.add(halt)
      const unwatch = watchConsumer(consumer, settings.wedge_ms, fail)
      consumer.on(consumer.events.GROUP_JOIN, () => forget([...writers.keys()]))
      consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
        if (!restart) fail(new SluiceError('SL205', errorName(error), { cause: error }))
      })
      try {
        started = start(handler)
        await Promise.race([started.then(() => ended.promise), ended.promise])
      } catch (error) {
        throw isKafkaError(error) ? new SluiceError('SL205', errorName(error), { cause: error }) : error
      } finally {
        unwatch()
        await within(leaving_ms, consumer.disconnect()) // a handler that hangs must not keep the failure back
        client.onLog.delete(halt)
        await within(leaving_ms, forget([...writers.keys()]))
      }
      if (failure) throw failure
    },
    async drain() {
      draining = true
      const handling_ms = settings.shutdown_ms / 2
      patienceUntil = performance.now() + handling_ms
      await within(handling_ms + leaving_ms, Promise.allSettled(working)) // before stop(): kafkajs commits no offsets after it
      // A member that is still joining waits here for others of the group, and for a broker that is away: not for ever.
      await within(
        leaving_ms,
        started.then(() => consumer.stop()),
      )
      ended.resolve()
    },
  }
}

/** Resolves when the work has ended, well or not, or when the time is over. */
async function within(duration_ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, duration_ms)
  await Promise.race([work.catch(() => {}), promise])
  clearTimeout(timer)
}

/** A zombie must not claim again: throws when the group went on without us. */
async function assertStillMember(payload: EachBatchPayload): Promise<void> {
  try {
    await payload.heartbeat()
  } catch (error) {
    const type = (error as { type?: string }).type ?? ''
    if (['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'].includes(type)) throw error
  }
}

function isKafkaError(error: unknown): boolean {
  return error instanceof Error && error.name.startsWith('KafkaJS')
}

/** Names only: messages of others may quote data. */
function errorName(error: unknown): string {
  const { name, type } = error as { name?: string; type?: string }
  return type ? `${name}: ${type}` : (name ?? 'unknown')
}
