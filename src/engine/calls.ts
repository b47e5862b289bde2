// Writes the ledger's records: the same for those that go out before their batch is committed and for those that go with it.
// And reads them back: of every call the last record, whatever else lies in the topic.
import { SluiceError } from '../core/error.ts'
import { callValue, lastOfEach, readCall } from '../core/llm/ledger.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import type { Codec } from '../ports/codec.ts'
import type { OutputRecord } from '../ports/stream.ts'

export interface CallWriter {
  write(calls: readonly CallRecord[]): Promise<OutputRecord[]>
}

export function createCallWriter(topic: string, codec: Codec): CallWriter {
  return {
    async write(calls) {
      if (calls.length === 0) return []
      const values = await codec.encode(topic, calls.map(callValue))
      return calls.map(({ id, task, state }, index) => ({
        topic,
        key: id,
        value: values[index]!,
        headers: {
          'sluice-task': task,
          'sluice-state': state,
          ce_specversion: '1.0',
          ce_type: 'dev.sluice.call',
          ce_source: `/sluice/${task}/call`,
          ce_id: `${id}/${state}`,
        },
      }))
    },
  }
}

export interface CallReader {
  /** The topic's values, in the order of their partition. */
  take(value: Buffer | null): void
  /** Once all are taken. Throws what the codec throws, and SL302 where the registry does not know a record's schema. */
  last(): Promise<CallRecord[]>
}

const DECODED_TOGETHER = 2_000

/** A call has three records; no more than one each is kept, and few of their bytes. */
export function createCallReader(topic: string, codec: Codec): CallReader {
  const last = new Map<string, CallRecord>()
  let values: (Buffer | null)[] = []
  let decoding = Promise.resolve()

  async function decode(some: readonly (Buffer | null)[]): Promise<void> {
    const decoded = await codec.decode(topic, some)
    // Not somebody else's record, but perhaps a day of ours: as if nothing had been spent is the one thing it must not be.
    const lost = decoded.find((it) => !it.ok && it.reason === 'unknown-schema')
    if (lost && !lost.ok) throw new SluiceError('SL302', `${topic}: ${lost.detail}`)
    const calls = decoded.flatMap((it) => (it.ok ? (readCall(it.value) ?? []) : []))
    lastOfEach(calls, last)
  }

  function decodeTaken(): void {
    const some = values
    values = []
    decoding = decoding.then(() => decode(some))
    decoding.catch(() => {}) // told by `last`
  }

  return {
    take(value) {
      if (values.push(value) >= DECODED_TOGETHER) decodeTaken()
    },
    async last() {
      decodeTaken()
      await decoding
      return [...last.values()]
    },
  }
}
