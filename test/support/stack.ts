// The servers that `npm test` has started, and a plain client on them for what tests ask a broker.
// Shares no code with src/, so that it cannot share a mistake.
import kafkajs from 'kafkajs'
import { readLog } from './log-reader.ts'
import type { Admin, Kafka } from 'kafkajs'
import type { Contents } from './log-reader.ts'

const { SLUICE_KAFKA, SLUICE_REGISTRY } = process.env

/** Why tests on the real broker are skipped; false where there is one. */
export const noStack: false | string =
  SLUICE_KAFKA !== undefined && SLUICE_REGISTRY !== undefined
    ? false
    : 'no servers: SLUICE_KAFKA and SLUICE_REGISTRY are not set (`npm test` starts them and sets both)'

export interface Broker {
  readonly kafka: Kafka
  readonly admin: Admin
  /**
   * Every record of the topics up to where they end now, by what became of its transaction. Kafka says yes to the end of
   * a transaction before it has written the markers (KIP-98): what has no end yet is waited for, for a short time.
   */
  read(topics: readonly string[]): Promise<Contents>
  /** The same, as it lies there now. */
  readNow(topics: readonly string[]): Promise<Contents>
  /** Offsets a group has committed, by `topic/partition`; partitions without one are left out. */
  committed(group: string, topics: readonly string[]): Promise<ReadonlyMap<string, bigint>>
  /** Offset after the last record of each partition, by `topic/partition`. */
  ends(topics: readonly string[]): Promise<ReadonlyMap<string, bigint>>
  close(): Promise<void>
}

const MARKED_WITHIN_MS = 5_000
const RETRY = { retries: 8, initialRetryTime: 50, maxRetryTime: 1_000 }

export const placeOf = (topic: string, partition: number): string => `${topic}/${partition}`
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks until the answer is not undefined; `what` is said when it takes longer than `within_ms`. */
export async function eventually<T>(
  what: string,
  within_ms: number,
  ask: () => T | undefined | Promise<T | undefined>,
  every_ms = 50,
): Promise<T> {
  const deadline = performance.now() + within_ms
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`not within ${within_ms / 1000} s: ${what}`)
    await sleep(every_ms)
  }
}

export async function openBroker(address = SLUICE_KAFKA!): Promise<Broker> {
  const kafka = new kafkajs.Kafka({
    clientId: 'sluice-test',
    brokers: [address],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: RETRY,
  })
  const admin = kafka.admin()
  await admin.connect()

  async function ends(topics: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
    const all = await Promise.all(
      topics.map(async (topic) => {
        const partitions = await patiently(() => admin.fetchTopicOffsets(topic))
        return partitions.map(({ partition, high }) => [placeOf(topic, partition), BigInt(high)] as const)
      }),
    )
    return new Map(all.flat())
  }

  async function readNow(topics: readonly string[]): Promise<Contents> {
    const ahead = new Map([...(await ends(topics))].filter(([, end]) => end > 0n))
    return readLog(kafka, topics, ahead)
  }

  return {
    kafka,
    admin,
    ends,
    readNow,
    async read(topics) {
      const deadline = performance.now() + MARKED_WITHIN_MS
      for (;;) {
        const contents = await readNow(topics)
        if (contents.open.length === 0 || performance.now() > deadline) return contents
        await sleep(100)
      }
    },
    async committed(group, topics) {
      const found = await patiently(() => admin.fetchOffsets({ groupId: group, topics: [...topics] }))
      const all = found.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) => [placeOf(topic, partition), BigInt(offset)] as const),
      )
      return new Map(all.filter(([, offset]) => offset >= 0n))
    },
    close: () => admin.disconnect(),
  }
}

const PATIENCE_MS = 20_000

/** A broker that has just started is still looking for its coordinators and leaders. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error as { retriable?: boolean }).retriable || performance.now() > deadline) throw error
      await sleep(100)
    }
  }
}
