// The registry's memory: one compacted topic of one partition, read from its start at start-up and appended to by
// this process alone. Two registries on one topic are not supported, as nothing elects a leader between them.
import { randomUUID } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import type { Admin, Producer } from 'kafkajs'
import type { LogRecord } from './registry-state.ts'

export type RegistryLog = {
  append(records: readonly LogRecord[]): Promise<void>
  close(): Promise<void>
}

const TOPIC = '_schemas'
const OPEN_TIMEOUT_MS = 30_000
const POLL_MS = 100

/** Creates the topic when it is missing and gives every record of it to `apply`, in order. */
export async function openLog(kafka: string, apply: (record: LogRecord) => void): Promise<RegistryLog> {
  const client = new Kafka({
    clientId: 'sluice-registry',
    brokers: [kafka],
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000 },
    logLevel: logLevel.NOTHING,
  })
  const admin = client.admin()
  const producer = client.producer({ allowAutoTopicCreation: false })
  await Promise.all([admin.connect(), producer.connect()])
  const end = await endOfTopic(admin)
  if (end > 0) await replay(client, end, apply)
  await admin.disconnect()
  return { append: (records) => append(producer, records), close: () => producer.disconnect() }
}

async function append(producer: Producer, records: readonly LogRecord[]): Promise<void> {
  const messages = records.map(({ key, value }) => ({
    key: JSON.stringify(key),
    value: value === null ? null : JSON.stringify(value),
    partition: 0,
  }))
  await producer.send({ topic: TOPIC, acks: -1, messages })
}

/** The offset after the topic's last record. Waits, finitely, for a broker that has just started to lead it. */
async function endOfTopic(admin: Admin): Promise<number> {
  const deadline = Date.now() + OPEN_TIMEOUT_MS
  for (;;) {
    try {
      if (!(await admin.listTopics()).includes(TOPIC)) await createTopic(admin)
      const [partition] = await admin.fetchTopicOffsets(TOPIC)
      return Number(partition?.high ?? 0)
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }
}

async function createTopic(admin: Admin): Promise<void> {
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
  const topics = [{ topic: TOPIC, numPartitions: 1, replicationFactor: 1, configEntries }]
  await admin.createTopics({ topics, waitForLeaders: false })
}

/** Reads up to offset `end`, in a consumer group of its own that is deleted afterwards. */
async function replay(client: Kafka, end: number, apply: (record: LogRecord) => void): Promise<void> {
  const groupId = `sluice-registry-${randomUUID()}`
  const consumer = client.consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(reject, OPEN_TIMEOUT_MS, new Error(`${TOPIC} cannot be read within ${OPEN_TIMEOUT_MS} ms`))
      const running = consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const { key, value } of batch.messages) {
            const record = parseRecord(key, value)
            if (record) apply(record)
          }
          if (Number(batch.lastOffset()) >= end - 1) resolve()
        },
      })
      running.catch(reject)
    })
  } finally {
    clearTimeout(timer)
    await consumer.disconnect()
  }
  const admin = client.admin()
  await admin.connect()
  await admin.deleteGroups([groupId]).catch(() => {}) // it expires by itself
  await admin.disconnect()
}

/** Records that are not ours (a NOOP of Confluent's, say) are passed over. */
function parseRecord(key: Buffer | null, value: Buffer | null): LogRecord | undefined {
  try {
    const parsed = JSON.parse(String(key)) as LogRecord['key']
    if (parsed.keytype !== 'SCHEMA' && parsed.keytype !== 'CONFIG') return undefined
    return { key: parsed, value: value === null ? null : JSON.parse(String(value)) } as LogRecord
  } catch {
    return undefined
  }
}
