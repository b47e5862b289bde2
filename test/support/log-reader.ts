// Reads topics as they lie in the log, data and markers, and says what became of each transaction. Reads uncommitted and
// sorts by the markers itself: kafkajs's own read_committed lets some aborted records through (src/adapters/kafka/
// aborted.ts mends that for Sluice), and a judge must not lean on what it judges.
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type { IHeaders, Kafka } from 'kafkajs'

export interface ReadRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string | undefined
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

export interface Contents {
  /** What a read_committed reader sees, in the order of each partition. */
  readonly committed: readonly ReadRecord[]
  /** Written by transactions that were aborted. */
  readonly aborted: readonly ReadRecord[]
  /** Written by transactions that have no end yet: these hold up every read_committed reader. */
  readonly open: readonly ReadRecord[]
}

interface LogRecord {
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: IHeaders
  readonly isControlRecord: boolean
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean }
}

interface FetchResponse {
  readonly responses: readonly {
    readonly topicName: string
    readonly partitions: readonly { readonly partition: number; readonly messages: readonly LogRecord[] }[]
  }[]
}

type Broker = { prototype: { fetch(request: unknown): Promise<FetchResponse> } }
type Sink = (topic: string, partition: number, records: readonly LogRecord[]) => void

const READ_WITHIN_MS = 40_000

/** kafkajs hands no control records out; what it fetches for a reader of ours is looked at on its way. */
const sinks = new AsyncLocalStorage<Sink>()
const { prototype } = createRequire(import.meta.url)('kafkajs/src/broker') as Broker
const { fetch } = prototype
prototype.fetch = async function (request) {
  const response = await fetch.call(this, request)
  const sink = sinks.getStore()
  if (sink)
    for (const { topicName, partitions } of response.responses)
      for (const { partition, messages } of partitions) sink(topicName, partition, messages)
  return response
}

/** Reads each partition of `ends` (`topic/partition` → offset after the last record) from its beginning to there. */
export async function readLog(
  kafka: Kafka,
  topics: readonly string[],
  ends: ReadonlyMap<string, bigint>,
): Promise<Contents> {
  const logs = new Map([...ends.keys()].map((place) => [place, createLog()]))
  const ahead = new Set(ends.keys())
  if (ahead.size === 0) return { committed: [], aborted: [], open: [] }
  const done = Promise.withResolvers<void>()
  const sink: Sink = (topic, partition, records) => {
    const place = `${topic}/${partition}`
    const log = logs.get(place)
    if (!log) return
    log.take(topic, partition, records)
    if (log.next() >= ends.get(place)! && ahead.delete(place) && ahead.size === 0) done.resolve()
  }
  const consumer = kafka.consumer({
    groupId: `sluice-test-${randomBytes(6).toString('hex')}`,
    readUncommitted: true,
    maxWaitTimeInMs: 100,
    allowAutoTopicCreation: false,
  })
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => restart || done.reject(error))
  const timer = setTimeout(
    () => done.reject(new Error(`not read to the end: ${[...ahead].join(', ')}`)),
    READ_WITHIN_MS,
  )
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await sinks.run(sink, () => consumer.run({ autoCommit: false, eachBatch: async () => {} }))
    await done.promise
  } finally {
    clearTimeout(timer)
    await consumer.disconnect()
  }
  const contents = [...logs.values()].map((log) => log.contents())
  return {
    committed: contents.flatMap(({ committed }) => committed),
    aborted: contents.flatMap(({ aborted }) => aborted),
    open: contents.flatMap(({ open }) => open),
  }
}

/** One partition. What a producer wrote in a transaction is committed or aborted by its next marker (KIP-98). */
function createLog() {
  const committed: ReadRecord[] = []
  const aborted: ReadRecord[] = []
  const pending = new Map<string, ReadRecord[]>()
  let next = 0n
  return {
    next: () => next,
    take(topic: string, partition: number, records: readonly LogRecord[]): void {
      for (const record of records) {
        const { producerId, inTransaction } = record.batchContext
        if (BigInt(record.offset) < next) continue // a fetch may begin with records from before it
        next = BigInt(record.offset) + 1n
        const held = pending.get(producerId)
        if (record.isControlRecord) {
          pending.delete(producerId)
          for (const it of held ?? []) (isCommit(record) ? committed : aborted).push(it)
        } else if (!inTransaction) committed.push(recordOf(topic, partition, record))
        else if (held) held.push(recordOf(topic, partition, record))
        else pending.set(producerId, [recordOf(topic, partition, record)])
      }
    },
    contents: (): Contents => ({
      committed: committed.toSorted((a, b) => Number(a.offset - b.offset)),
      aborted,
      open: [...pending.values()].flat(),
    }),
  }
}

/** Key of a marker: version (int16), type (int16): 0 aborts, 1 commits. */
function isCommit({ key }: LogRecord): boolean {
  return key?.readInt16BE(2) === 1
}

function recordOf(topic: string, partition: number, { offset, key, value, headers }: LogRecord): ReadRecord {
  const text = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
  return {
    topic,
    partition,
    offset: BigInt(offset),
    key: key?.toString(),
    value,
    headers: Object.fromEntries(text),
  }
}
