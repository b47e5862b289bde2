// The cost ledger as a process has it: written record by record, acknowledged, and read back. Wiring only.
import type { KafkaClient } from '../adapters/kafka/client.ts'
import { createEventProducer } from '../adapters/kafka/producer.ts'
import type { EventProducer } from '../adapters/kafka/producer.ts'
import { readToEnd } from '../adapters/kafka/reader.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import { createCallReader, createCallWriter } from '../engine/calls.ts'
import type { Codec } from '../ports/codec.ts'
import type { Ledger } from '../ports/ledger.ts'

/** A record may bear the broker's time, a call has its process's: so far apart they may be. */
const CLOCKS_MS = 3_600_000

export interface OpenLedger extends Ledger {
  close(): Promise<void>
}

/** Connects with the first record. */
export function openLedger(client: KafkaClient, topic: string, codec: Codec): OpenLedger {
  const writer = createCallWriter(topic, codec)
  let producer: Promise<EventProducer> | undefined
  return {
    async write(call) {
      const [record] = await writer.write([call])
      const { key, value, headers } = record!
      const used = (producer ??= createEventProducer(client))
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
  const reader = createCallReader(topic, codec)
  await readToEnd(client, topic, {
    since_ms: Math.max(0, since_ms - CLOCKS_MS),
    uncommitted: true,
    onRecord: ({ value }) => reader.take(value),
    ...(onProgress ? { onProgress } : {}),
  })
  return (await reader.last()).filter(({ at_ms }) => at_ms >= since_ms)
}
