// Reads topics without taking part in anything: never commits an offset. For people, demos, and what is read back at a start.
import { randomBytes } from 'node:crypto'
import { SluiceError } from '../../core/error.ts'
import type { Admin, KafkaMessage } from 'kafkajs'
import type { KafkaClient } from './client.ts'
import type { InputRecord } from '../../ports/stream.ts'

export interface Reader {
  close(): Promise<void>
}

const END_WITHIN_MS = 120_000

export interface ReadToEnd {
  /** Records that were written before this may be left out, milliseconds since the epoch. */
  readonly since_ms: number
  readonly onRecord: (record: InputRecord) => void
  /** Records read so far and how many there are; offsets, so that gaps count too. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Reads a topic up to where it ends now, in order within a partition. What transactions have not committed is read too: it
 * is for logs of which every record is true by itself. Throws SL201 where the end is not reached in two minutes.
 */
export async function readToEnd(
  { kafka }: KafkaClient,
  topic: string,
  { since_ms, onRecord, onProgress = () => {} }: ReadToEnd,
): Promise<void> {
  const left = await ranges(kafka.admin(), topic, since_ms)
  if (left.size === 0) return
  const at = new Map([...left].map(([partition, { from }]) => [partition, from]))
  const sum = (offsets: Iterable<bigint>) => [...offsets].reduce((total, offset) => total + offset, 0n)
  const begin = sum(at.values())
  const total = Number(sum([...left.values()].map(({ end }) => end)) - begin)
  const done = Promise.withResolvers<void>()
  const consumer = kafka.consumer({
    groupId: `sluice-read-${randomBytes(8).toString('hex')}`,
    maxWaitTimeInMs: 200,
    readUncommitted: true,
    allowAutoTopicCreation: false,
  })
  // Batches of nothing but transactions' ends are seen here alone.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    const range = left.get(partition)
    const next = BigInt(lastOffset) + 1n
    if (range === undefined || next <= at.get(partition)!) return
    at.set(partition, next < range.end ? next : range.end)
    onProgress(Number(sum(at.values()) - begin), total)
    if (next >= range.end && left.delete(partition) && left.size === 0) done.resolve()
  })
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => restart || done.reject(error))
  const late = setTimeout(() => done.reject(new Error('too slow')), END_WITHIN_MS)
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch: { messages } }) => messages.forEach((message) => onRecord(recordOf(message))),
    })
    for (const [partition, offset] of at) consumer.seek({ topic, partition, offset: String(offset) })
    await done.promise
  } catch (error) {
    throw new SluiceError('SL201', `${topic} could not be read to its end`, { cause: error })
  } finally {
    clearTimeout(late)
    await consumer.disconnect().catch(() => {})
  }
}

/** From where to where a partition is to be read; those with nothing to read are left out. */
async function ranges(admin: Admin, topic: string, since_ms: number) {
  await admin.connect()
  try {
    const [starts, ends] = await Promise.all([
      admin.fetchTopicOffsetsByTimestamp(topic, since_ms),
      admin.fetchTopicOffsets(topic),
    ])
    const found = ends.map(({ partition, low, high }) => {
      const start = BigInt(starts.find((it) => it.partition === partition)?.offset ?? low)
      return [partition, { from: start < BigInt(low) ? BigInt(low) : start, end: BigInt(high) }] as const
    })
    return new Map(found.filter(([, { from, end }]) => from < end))
  } catch (error) {
    throw new SluiceError('SL201', `${topic} could not be read`, { cause: error })
  } finally {
    await admin.disconnect()
  }
}

function recordOf({ offset, key, value, headers, timestamp }: KafkaMessage): InputRecord {
  return {
    offset,
    key,
    value,
    headers: (headers ?? {}) as InputRecord['headers'],
    timestamp_ms: Number(timestamp),
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
