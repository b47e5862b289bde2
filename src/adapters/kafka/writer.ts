// Owns the right to write for one input partition during one assignment: fences earlier owners, then commits outcomes
// and offset together. Never reused across assignments, never used again after an error.
//
// Protocol (kafkajs speaks TxnOffsetCommit v1, which does not fence by group generation; KIP-98, KIP-447):
//   claim   a new producer with the partition's transactional id; InitProducerId fences the previous owner and waits
//           out its transaction; only then is the committed offset read
//   commit  produce, offsets, end; one transaction
import type { Consumer, Kafka, Producer, Transaction } from 'kafkajs'
import type { OutputRecord } from '../../ports/stream.ts'
import { TRANSACTION_RETRY } from './client.ts'

export interface PartitionWriter {
  /** Offset the group continues at, as committed when the claim was made; -1 when there is none. */
  readonly committed: bigint
  commit(records: readonly OutputRecord[], nextOffset: bigint): Promise<void>
  /** Leaves an open transaction to the next claim or the broker's timeout. */
  discard(): Promise<void>
}

export interface Claim {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly transaction_timeout_ms: number
  readonly committedOffset: () => Promise<bigint>
}

export async function claimTransactional(kafka: Kafka, claim: Claim): Promise<PartitionWriter> {
  const { group, topic, partition } = claim
  const producer = kafka.producer({
    transactionalId: `${group}.${topic}.${partition}`,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    transactionTimeout: claim.transaction_timeout_ms,
    retry: TRANSACTION_RETRY,
  })
  try {
    await producer.connect()
    let fresh: Transaction | undefined = await producer.transaction()
    const committed = await claim.committedOffset()
    return {
      committed,
      async commit(records, nextOffset) {
        const transaction = fresh ?? (await producer.transaction())
        fresh = undefined
        for (const part of parts(records)) await transaction.sendBatch({ topicMessages: byTopic(part), acks: -1 })
        await transaction.sendOffsets({
          consumerGroupId: group,
          topics: [{ topic, partitions: [{ partition, offset: String(nextOffset) }] }],
        })
        await transaction.commit()
      },
      discard: () => disconnect(producer),
    }
  } catch (error) {
    await disconnect(producer)
    throw error
  }
}

/**
 * Delivery `at_least_once`: outcomes first, then the offset. A crash between the two writes the same outcomes again,
 * with the same item ids.
 */
export async function claimPlain(kafka: Kafka, consumer: Consumer, claim: Claim): Promise<PartitionWriter> {
  const { topic, partition } = claim
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: TRANSACTION_RETRY,
  })
  try {
    await producer.connect()
    const committed = await claim.committedOffset()
    return {
      committed,
      async commit(records, nextOffset) {
        for (const part of parts(records)) await producer.sendBatch({ topicMessages: byTopic(part), acks: -1 })
        await consumer.commitOffsets([{ topic, partition, offset: String(nextOffset) }])
      },
      discard: () => disconnect(producer),
    }
  } catch (error) {
    await disconnect(producer)
    throw error
  }
}

async function disconnect(producer: Producer): Promise<void> {
  await producer.disconnect().catch(() => {})
}

/** The broker takes a partition's messages as one batch of at most message.max.bytes, 1,048,588 where nobody changed it. */
const SEND_BYTES_MAX = 900_000
/** What a message costs beside its key, value and headers: lengths, offset and time deltas, with room to spare. */
const MESSAGE_BYTES = 64
const HEADER_BYTES = 10

/** Cuts the records, in order, so that no topic gets more than the broker takes at once; a larger record goes alone. */
function* parts(records: readonly OutputRecord[]): Generator<readonly OutputRecord[]> {
  let start = 0
  const sizes = new Map<string, number>()
  for (const [index, record] of records.entries()) {
    const bytes = bytesOf(record)
    const size = (sizes.get(record.topic) ?? 0) + bytes
    sizes.set(record.topic, size)
    if (size <= SEND_BYTES_MAX || index === start) continue
    yield records.slice(start, index)
    start = index
    sizes.clear()
    sizes.set(record.topic, bytes)
  }
  if (start < records.length) yield records.slice(start)
}

function bytesOf({ key, value, headers }: OutputRecord): number {
  let bytes = MESSAGE_BYTES + byteLength(key) + byteLength(value)
  for (const name in headers) bytes += HEADER_BYTES + name.length + byteLength(headers[name]!)
  return bytes
}

function byteLength(of: Buffer | string | null): number {
  return of === null ? 0 : Buffer.byteLength(of)
}

interface Message {
  key: Buffer | string | null
  value: Buffer | null
  headers: Record<string, Buffer | string>
}

function byTopic(records: readonly OutputRecord[]): { topic: string; messages: Message[] }[] {
  const topics = new Map<string, Message[]>()
  for (const { topic, key, value, headers } of records) {
    const message = { key, value, headers }
    const messages = topics.get(topic)
    if (messages) messages.push(message)
    else topics.set(topic, [message])
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }))
}
