// Reads topics from their beginning, committed records only, and never commits an offset: for people and demos.
import type { KafkaClient } from './client.ts'
import type { InputRecord } from '../../ports/stream.ts'

export interface Reader {
  close(): Promise<void>
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
    eachMessage: async ({ topic, message }) => {
      const { offset, key, value } = message
      const headers = (message.headers ?? {}) as InputRecord['headers']
      await onRecord(topic, { offset, key, value, headers, timestamp_ms: Number(message.timestamp) })
    },
  })
  return { close: () => consumer.disconnect() }
}
