// Writes the ledger's records: the same for those that go out before their batch is committed and for those that go with it.
import { callValue } from '../core/llm/ledger.ts'
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
