// Two worlds for the stream contract: a broker in memory and a real Kafka. A world is fresh for every test: topics and
// group of its own. Must never touch topics that it did not make.
import { randomUUID } from 'node:crypto'
import { connectAdmin, createKafkaClient } from '../../src/adapters/kafka/client.ts'
import type { KafkaSettings } from '../../src/adapters/kafka/client.ts'
import { createOffsets } from '../../src/adapters/kafka/offsets.ts'
import { createKafkaStream } from '../../src/adapters/kafka/stream.ts'
import type { StreamSettings } from '../../src/adapters/kafka/stream.ts'
import { silent } from '../../src/ports/events.ts'
import type { InputRecord, Stream } from '../../src/ports/stream.ts'
import { memoryBroker } from './memory-stream.ts'

export const PARTITIONS = 2

export interface WorldOptions {
  readonly batch_records_max?: number
}

export interface StreamWorld {
  /** Two partitions. */
  readonly input: string
  /** One partition. */
  readonly output: string
  readonly group: string
  produce(partition: number, values: readonly (string | null)[], more?: Partial<InputRecord>): Promise<void>
  /** Leaves offsets that no reader ever sees. */
  gap(partition: number): Promise<void>
  /** A member of the group. */
  open(options?: WorldOptions): Stream
  /** What readers of the output see by now (read_committed), in order. */
  written(): readonly Pick<InputRecord, 'key' | 'value' | 'headers'>[]
  /** -1: none. */
  committed(partition: number): Promise<number>
  close(): Promise<void>
}

export async function memoryWorld(): Promise<StreamWorld> {
  const broker = memoryBroker()
  const [input, output, group] = ['input', 'output', 'group']
  broker.createTopic(input, PARTITIONS)
  broker.createTopic(output, 1)
  return {
    input,
    output,
    group,
    produce: async (partition, values, more = {}) =>
      broker.append(
        input,
        partition,
        values.map((value) => ({ ...more, value: bytes(value) })),
      ),
    gap: async (partition) => broker.gap(input, partition),
    open: ({ batch_records_max = 100 } = {}) => broker.stream({ group, topics: [input], batch_records_max }),
    written: () => broker.read(output),
    committed: async (partition) => broker.committed(group, input, partition),
    close: async () => {},
  }
}

/** Why the Kafka part is skipped; false where a broker is named. */
export const noKafka: false | string =
  process.env['SLUICE_KAFKA'] === undefined ? 'SLUICE_KAFKA names no broker (npm test starts one)' : false

export const KAFKA: KafkaSettings = {
  brokers: (process.env['SLUICE_KAFKA'] ?? '').split(','),
  client_id: 'contract',
  connection_timeout_ms: 3_000,
  request_timeout_ms: 30_000,
  decompressed_bytes_max: 67_108_864,
}

export const STREAM: Omit<StreamSettings, 'group' | 'topics' | 'delivery'> = {
  name: 'contract',
  session_timeout_ms: 10_000,
  heartbeat_interval_ms: 500,
  fetch_wait_ms: 50,
  partition_bytes_max: 1_048_576,
  partitions_concurrently: 2,
  batch_records_max: 100,
  transaction_timeout_ms: 10_000,
  wedge_ms: 30_000,
  shutdown_ms: 8_000,
}

export type KafkaWorld = Awaited<ReturnType<typeof kafkaWorld>>

export async function kafkaWorld(delivery: StreamSettings['delivery']) {
  const id = randomUUID().slice(0, 8)
  const [input, output, group] = [`contract.${id}.in`, `contract.${id}.out`, `contract.${id}`]
  const client = createKafkaClient(KAFKA)
  const admin = await connectAdmin(client, KAFKA)
  const offsets = createOffsets(admin)
  await admin.createTopics({
    waitForLeaders: false,
    topics: [
      { topic: input, numPartitions: PARTITIONS },
      { topic: output, numPartitions: 1 },
    ],
  })
  await until('topics have leaders', async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [input, output] }).catch(() => ({ topics: [] }))
    if (topics.length < 2 || !topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)))
      return false
    // A broker names itself as the leader before it acts as one.
    return Promise.all([input, output].map((topic) => admin.fetchTopicOffsets(topic))).then(
      () => true,
      () => false,
    )
  })
  const producer = client.kafka.producer({ idempotent: true, retry: { retries: 5 } })
  await producer.connect()
  const seen: Pick<InputRecord, 'key' | 'value' | 'headers'>[] = []
  let last = -1n
  const reader = client.kafka.consumer({ groupId: `${group}.reader`, maxWaitTimeInMs: 50 })
  await reader.connect()
  await reader.subscribe({ topics: [output], fromBeginning: true })
  await reader.run({
    autoCommit: false,
    async eachMessage({ message: { offset, key, value, headers } }) {
      if (BigInt(offset) <= last) return // a reader that had to join again begins anew
      last = BigInt(offset)
      seen.push({ key, value, headers: headers as InputRecord['headers'] })
    },
  })
  return {
    input,
    output,
    group,
    client,
    admin,
    offsets,
    produce: async (partition: number, values: readonly (string | null)[], more: Partial<InputRecord> = {}) => {
      const { key = null, headers = {} } = more
      const messages = values.map((value) => ({ partition, key, headers: { ...headers }, value: bytes(value) }))
      await producer.send({ topic: input, messages })
    },
    async gap(partition: number) {
      const aborting = client.kafka.producer({ transactionalId: `${group}.gap`, retry: { retries: 5 } })
      await aborting.connect()
      const transaction = await aborting.transaction()
      await transaction.send({ topic: input, messages: [{ partition, value: 'never seen' }] })
      await transaction.abort()
      await aborting.disconnect()
    },
    open: (options: WorldOptions = {}) =>
      createKafkaStream({ ...STREAM, group, topics: [input], delivery, ...options }, { client, offsets, emit: silent }),
    written: () => seen,
    committed: async (partition: number) => Number(await offsets.committed(group, input, partition)),
    async close() {
      await Promise.all([reader.disconnect(), producer.disconnect()])
      await admin.deleteTopics({ topics: [input, output] }).catch(() => {})
      await admin.disconnect()
    },
  } satisfies StreamWorld & Record<string, unknown>
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, within_ms = 30_000): Promise<void> {
  const deadline = performance.now() + within_ms
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not in ${within_ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function bytes(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value)
}
