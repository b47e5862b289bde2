// The cost ledger as a process has it: written record by record, acknowledged, and read back. Wiring only.
import type { KafkaClient } from '../adapters/kafka/client.ts'
import { createEventProducer } from '../adapters/kafka/producer.ts'
import type { EventProducer } from '../adapters/kafka/producer.ts'
import { readToEnd } from '../adapters/kafka/reader.ts'
import { lastOfEach, readCall } from '../core/llm/ledger.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import { createCallWriter } from '../engine/calls.ts'
import type { Codec } from '../ports/codec.ts'
import type { Ledger } from '../ports/ledger.ts'

const DECODED_TOGETHER = 2_000

export interface OpenLedger extends Ledger {
  close(): Promise<void>
}

/** Connects with the first record. */
export function openLedger(client: KafkaClient, topic: string, codec: Codec): OpenLedger {
  const writer = createCallWriter(topic, codec)
  let producer: Promise<EventProducer> | undefined
  const connect = () => {
    const connecting = createEventProducer(client)
    connecting.catch(() => (producer = undefined))
    return connecting
  }
  return {
    async write(call) {
      const [record] = await writer.write([call])
      const { key, value, headers } = record!
      const used = (producer ??= connect())
      try {
        await (await used).send(topic, [{ key: String(key), value: value!, headers }])
      } catch (error) {
        // What has failed may stay broken: the next record has a new one.
        if (producer === used) producer = undefined
        void used.then((it) => it.close()).catch(() => {})
        throw error
      }
    },
    close: async () => {
      await producer?.then((it) => it.close()).catch(() => {})
    },
  }
}

/** The last record of every call that was reserved since then. Throws SL201 and what the codec throws. */
export async function readCalls(
  client: KafkaClient,
  topic: string,
  codec: Codec,
  since_ms: number,
  onProgress?: (done: number, total: number) => void,
): Promise<CallRecord[]> {
  const last = new Map<string, CallRecord>()
  let values: (Buffer | null)[] = []
  let decoding = Promise.resolve()
  const decode = async (some: readonly (Buffer | null)[]) => {
    const decoded = await codec.decode(topic, some)
    lastOfEach(
      decoded.flatMap((it) => (it.ok ? (readCall(it.value) ?? []) : [])),
      last,
    )
  }
  // A call has three records, and of the day only one each is kept.
  const take = () => {
    const some = values
    values = []
    decoding = decoding.then(() => decode(some))
    decoding.catch(() => {})
  }
  const onRecord = ({ value }: { readonly value: Buffer | null }) => {
    if (values.push(value) >= DECODED_TOGETHER) take()
  }
  await readToEnd(client, topic, { since_ms, uncommitted: true, onRecord, ...(onProgress ? { onProgress } : {}) })
  take()
  await decoding
  return [...last.values()].filter(({ at_ms }) => at_ms >= since_ms)
}
