// Reads where a group stands. Never moves it: kafkajs would silently commit a default where an offset fell out of range.
import { SluiceError } from '../../core/error.ts'
import type { Admin, LogEntry } from 'kafkajs'

export interface Offsets {
  /** The group's committed offset; -1 when it has none. */
  committed(group: string, topic: string, partition: number): Promise<bigint>
  /** Throws SL202 where one does not exist. */
  assertExist(topics: readonly string[]): Promise<void>
  /** Throws SL202 for a topic that does not exist, SL204 where a committed offset is not in its partition any more. */
  assertInRange(group: string, topics: readonly string[]): Promise<void>
  /** Records not yet committed, per topic. */
  lag(group: string, topics: readonly string[]): Promise<number>
}

export function createOffsets(admin: Admin): Offsets {
  const committedOf = (group: string, topics: readonly string[]) =>
    onceLoaded(() => admin.fetchOffsets({ groupId: group, topics: [...topics] }))

  async function assertExist(topics: readonly string[]): Promise<void> {
    const existing = new Set(await admin.listTopics())
    const missing = topics.filter((topic) => !existing.has(topic))
    if (missing.length > 0) throw new SluiceError('SL202', missing.join(', '))
  }

  return {
    async committed(group, topic, partition) {
      const [found] = await committedOf(group, [topic])
      return BigInt(found?.partitions.find((it) => it.partition === partition)?.offset ?? '-1')
    },
    assertExist,
    async assertInRange(group, topics) {
      await assertExist(topics)
      for (const { topic, partitions } of await committedOf(group, topics)) {
        const ranges = await admin.fetchTopicOffsets(topic)
        for (const { partition, offset } of partitions) {
          const range = ranges.find((it) => it.partition === partition)
          if (range && BigInt(offset) >= 0n) assertWithin({ group, topic, partition, offset }, range)
        }
      }
    },
    async lag(group, topics) {
      let lag = 0n
      for (const { topic, partitions } of await committedOf(group, topics)) {
        const ranges = await admin.fetchTopicOffsets(topic)
        for (const { partition, low, high } of ranges) {
          const offset = BigInt(partitions.find((it) => it.partition === partition)?.offset ?? '-1')
          lag += BigInt(high) - (offset < 0n ? BigInt(low) : offset)
        }
      }
      return Number(lag)
    },
  }
}

const LOADED_WITHIN_MS = 15_000

/** A coordinator that is still loading (cold broker, moved partition) is asked again; anything else is thrown. */
async function onceLoaded<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + LOADED_WITHIN_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const type = (error as { type?: string }).type ?? ''
      if (!/COORDINATOR|LOAD_IN_PROGRESS/.test(type) || performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function assertWithin(
  at: { group: string; topic: string; partition: number; offset: string },
  range: { low: string; high: string },
): void {
  if (BigInt(at.offset) >= BigInt(range.low) && BigInt(at.offset) <= BigInt(range.high)) return
  throw new SluiceError(
    'SL204',
    `group ${at.group} stands at ${at.offset} in ${at.topic}/${at.partition}, which holds ${range.low} to ${range.high}`,
  )
}

/**
 * kafkajs reports an offset out of range in its log just before it commits its default. Throwing from the log listener
 * ends that; the stream then fails loudly (reliability: offsets out of range halt).
 */
export function haltOnOutOfRange(fail: (error: SluiceError) => void): (entry: LogEntry) => void {
  return ({ log }) => {
    if (!log.message.startsWith('Offset out of range, resetting')) return
    const error = new SluiceError('SL204', `${String(log['topic'])}/${String(log['partition'])}`)
    fail(error)
    throw error
  }
}
