// Reads topics without taking part in anything: never commits an offset. For people, demos, and what is read back at a start.
import { randomBytes } from 'node:crypto'
import { SluiceError } from '../../core/error.ts'
import { withOpenTransactions } from './ends.ts'
import { recordOf } from './record.ts'
import type { Admin } from 'kafkajs'
import type { KafkaClient } from './client.ts'
import type { InputRecord } from '../../ports/stream.ts'

export interface Reader {
  close(): Promise<void>
}

const NEXT_WITHIN_MS = 120_000

export interface ReadToEnd {
  /** Records that were written before this may be left out, milliseconds since the epoch. */
  readonly since_ms: number
  /** What transactions have not committed is read too: for logs of which every record is true by itself. */
  readonly uncommitted: boolean
  readonly onRecord: (record: InputRecord) => void
  /** Records read so far and how many there are; offsets, so that gaps count too. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Reads a topic up to where it ends now, in order within a partition; of committed records up to where a transaction is
 * open. Throws SL201 where nothing more comes for two minutes.
 */
export async function readToEnd(
  client: KafkaClient,
  topic: string,
  { since_ms, uncommitted, onRecord, onProgress = () => {} }: ReadToEnd,
): Promise<void> {
  const admin = client.kafka.admin()
  const ask = () => rangesOf(admin, topic, since_ms)
  const ranges = await admin
    .connect()
    .then(() => (uncommitted ? withOpenTransactions(ask) : ask()))
    .finally(() => admin.disconnect())
  await readRanges(client, ranges, { uncommitted, onRecord, onProgress })
}

export interface Range {
  readonly topic: string
  readonly partition: number
  readonly from: bigint
  /** Offset after the last one. */
  readonly end: bigint
}

export interface ReadRanges {
  /** As that of `readToEnd`. */
  readonly uncommitted: boolean
  readonly onRecord: (record: InputRecord, topic: string, partition: number) => void
  /** As that of `readToEnd`. */
  readonly onProgress: (done: number, total: number) => void
}

/** Resolves when the end of every range is reached. Throws SL201 where nothing more comes for two minutes. */
export async function readRanges(
  { kafka }: KafkaClient,
  ranges: readonly Range[],
  { uncommitted, onRecord, onProgress }: ReadRanges,
): Promise<void> {
  const placeOf = (topic: string, partition: number) => `${topic}/${partition}`
  const left = new Map(
    ranges.filter(({ from, end }) => from < end).map((it) => [placeOf(it.topic, it.partition), { ...it, at: it.from }]),
  )
  if (left.size === 0) return
  const all = [...left.values()]
  const topics = [...new Set(all.map(({ topic }) => topic))]
  const sum = (pick: (it: (typeof all)[number]) => bigint) => Number(all.reduce((total, it) => total + pick(it), 0n))
  const total = sum(({ from, end }) => end - from)
  const done = Promise.withResolvers<void>()
  done.promise.catch(() => {}) // it may end before anybody waits for it
  const late = setTimeout(() => done.reject(new Error('too slow')), NEXT_WITHIN_MS)
  const consumer = kafka.consumer({
    groupId: `sluice-read-${randomBytes(8).toString('hex')}`,
    maxWaitTimeInMs: 200,
    readUncommitted: uncommitted,
    allowAutoTopicCreation: false,
  })
  // Batches of nothing but transactions' ends are seen here alone.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { topic, partition, lastOffset } }) => {
    const range = left.get(placeOf(topic, partition))
    const next = BigInt(lastOffset) + 1n
    if (range === undefined || next <= range.at) return
    late.refresh()
    range.at = next < range.end ? next : range.end
    onProgress(
      sum(({ at, from }) => at - from),
      total,
    )
    if (next < range.end) return
    left.delete(placeOf(topic, partition))
    consumer.pause([{ topic, partitions: [partition] }])
    if (left.size === 0) done.resolve()
  })
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => restart || done.reject(error))
  try {
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { topic, partition, messages } }) => {
        const range = left.get(placeOf(topic, partition))
        for (const message of messages) {
          const offset = BigInt(message.offset)
          // A batch that comes again has been read: `at` is behind it.
          if (range && offset >= range.at && offset < range.end) onRecord(recordOf(message), topic, partition)
        }
      },
    })
    for (const { topic, partition, from } of all) consumer.seek({ topic, partition, offset: String(from) })
    await done.promise
  } catch (error) {
    throw new SluiceError('SL201', `${topics.join(', ')} could not be read to the end`, { cause: error })
  } finally {
    clearTimeout(late)
    await consumer.disconnect().catch(() => {})
  }
}

/** From where to where each partition is to be read: to where a reader of committed records gets. Throws SL201. */
export async function rangesOf(admin: Admin, topic: string, since_ms: number): Promise<Range[]> {
  try {
    const [starts, ends] = await Promise.all([
      admin.fetchTopicOffsetsByTimestamp(topic, since_ms),
      admin.fetchTopicOffsets(topic),
    ])
    return ends.map(({ partition, low, high }) => {
      const start = BigInt(starts.find((it) => it.partition === partition)?.offset ?? low)
      return { topic, partition, from: start < BigInt(low) ? BigInt(low) : start, end: BigInt(high) }
    })
  } catch (error) {
    throw new SluiceError('SL201', `${topic} could not be read`, { cause: error })
  }
}

/** `group` should be new each time. `onRecord` sees every record once, in order within a partition. */
export async function readFromStart(
  { kafka }: KafkaClient,
  group: string,
  topics: readonly string[],
  onRecord: (topic: string, record: InputRecord) => void | Promise<void>,
): Promise<Reader> {
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 200, allowAutoTopicCreation: false })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, message }) => onRecord(topic, recordOf(message)),
  })
  return { close: () => consumer.disconnect() }
}
