// The codec port without a registry: JSON for every topic it was given. Keeps the same contract as the real one.
import { SluiceError } from '../../src/core/error.ts'
import type { Codec, Decoded } from '../../src/ports/codec.ts'

export interface MemoryCodec extends Codec {
  /** So many of the next decodes find the registry away. */
  outages: number
}

export function memoryCodec(topics: readonly string[], record_bytes_max = 1_048_576): MemoryCodec {
  const codec: MemoryCodec = {
    outages: 0,
    async decode(_topic, values) {
      if (codec.outages > 0) {
        codec.outages--
        throw new SluiceError('SL301', 'the fake registry is away')
      }
      return values.map((value): Decoded => {
        if (value === null) return { ok: false, reason: 'tombstone', detail: '' }
        if (value.length > record_bytes_max) return { ok: false, reason: 'too-large', detail: `${value.length} bytes` }
        try {
          return { ok: true, value: JSON.parse(value.toString()) as unknown }
        } catch {
          return { ok: false, reason: 'bad-value', detail: 'not JSON' }
        }
      })
    },
    async encode(topic, values) {
      if (!topics.includes(topic)) throw new SluiceError('SL302', topic)
      return values.map((value) => Buffer.from(JSON.stringify(value)))
    },
  }
  return codec
}
