// Hides the records of aborted transactions, because kafkajs 2.2.4 shows some: it takes the broker's list of aborted
// transactions to be sorted by first offset (it is sorted by their ends), steps into one of them a record, and takes any
// record with the key 00 00 00 00 for an abort marker. After a kill -9 of a process with several partitions in hand,
// that is whole batches of outcomes that never were. Hidden records keep their offsets: readers move past them.
import { createRequire } from 'node:module'

interface FetchedRecord {
  readonly offset: string
  readonly key: Buffer | null
  /** kafkajs shows a reader no control records, and counts them as read. */
  isControlRecord: boolean
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean }
}

interface FetchedPartition {
  readonly messages: readonly FetchedRecord[]
  abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[] | null
}

interface FetchResponse {
  readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[]
}

type Broker = { prototype: { fetch(request: unknown): Promise<FetchResponse> } }

let done = false

/** Changes kafkajs for this process: every fetch of every consumer goes through `hideAborted`. */
export function hideAbortedEverywhere(): void {
  if (done) return
  done = true
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/broker') as Broker
  const { fetch } = prototype
  prototype.fetch = async function (request) {
    const response = await fetch.call(this, request)
    for (const { partitions } of response.responses) for (const partition of partitions) hideAborted(partition)
    return response
  }
}

/**
 * Turns aborted records into control records and empties the list, so that kafkajs's own filter has nothing to do.
 * KIP-98, "Fetch Response"; as CompletedFetch of Kafka's Java client does it.
 */
function hideAborted(partition: FetchedPartition): void {
  const { messages, abortedTransactions } = partition
  if (!abortedTransactions || abortedTransactions.length === 0) return
  const toCome = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, first: BigInt(firstOffset) }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  const aborted = new Set<string>()
  let next = 0
  for (const message of messages) {
    const offset = BigInt(message.offset)
    for (; next < toCome.length && toCome[next]!.first <= offset; next++) aborted.add(toCome[next]!.producerId)
    const { producerId, inTransaction } = message.batchContext ?? {}
    if (!inTransaction || producerId === undefined) continue
    if (!message.isControlRecord) message.isControlRecord = aborted.has(producerId)
    else if (isAbortMarker(message)) aborted.delete(producerId)
  }
  partition.abortedTransactions = []
}

/** The key of a control record: version (int16), then type (int16), 0 for an abort. Kafka protocol, "Control Records". */
function isAbortMarker({ key }: FetchedRecord): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0
}
