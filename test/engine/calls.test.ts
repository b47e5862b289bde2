// The ledger's records, written and read back: of every call the last one, however many there are, and nothing foreign.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { failed, settled } from '../../src/core/llm/ledger.ts'
import type { CallRecord } from '../../src/core/llm/ledger.ts'
import { createCallReader, createCallWriter } from '../../src/engine/calls.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'
import { callRecord } from '../support/calls.ts'

const TOPIC = 'calls'
const reserved = (id: string): CallRecord => callRecord({ id })
const usage = { inputTokens: 10, cachedInputTokens: 0, outputTokens: 1 }

async function written(calls: readonly CallRecord[]): Promise<Buffer[]> {
  const records = await createCallWriter(TOPIC, memoryCodec([TOPIC])).write(calls)
  return records.map(({ value }) => value!)
}

describe('the calls of the ledger', () => {
  test('are read back as they stood last, thousands of them in their order', async () => {
    const first = Array.from({ length: 3_000 }, (_, at) => reserved(`call-${at}`))
    const second = first.map((call, at) => (at % 2 === 0 ? settled(call, usage, undefined, 0) : failed(call)))
    const reader = createCallReader(TOPIC, memoryCodec([TOPIC]))
    for (const value of await written([...first, ...second])) reader.take(value)
    assert.deepEqual(await reader.last(), second)
  })

  test('are not those of whoever else wrote there', async () => {
    const reader = createCallReader(TOPIC, memoryCodec([TOPIC]))
    for (const value of [
      null,
      Buffer.from('{'),
      Buffer.from('{"id":"call-1"}'),
      ...(await written([reserved('mine')])),
    ])
      reader.take(value)
    assert.deepEqual(await reader.last(), [reserved('mine')])
  })

  test('that a registry has forgotten the schema of are no fewer: that is an error, since they were paid', async () => {
    const codec = memoryCodec([TOPIC])
    const decode = async () => [{ ok: false, reason: 'unknown-schema', detail: 'schema id 7' } as const]
    const reader = createCallReader(TOPIC, { ...codec, decode })
    for (const value of await written([reserved('mine')])) reader.take(value)
    await assert.rejects(reader.last(), /calls: schema id 7/)
  })

  test('are not taken for fewer where the codec does not know: that is an error, and only when they are asked for', async () => {
    const codec = memoryCodec([TOPIC])
    codec.outages = 1
    const reader = createCallReader(TOPIC, codec)
    const [value] = await written([reserved('mine')])
    for (let times = 0; times < 2_500; times++) reader.take(value!)
    await new Promise((resolve) => setImmediate(resolve))
    await assert.rejects(reader.last(), /SL301|registry is away/)
  })
})
