// A record as kafkajs gives it, as the stream port has it: what producers may have written in it made harmless.
import type { IHeaders, KafkaMessage } from 'kafkajs'
import type { InputRecord } from '../../ports/stream.ts'

/** What a Date can hold: producers may write any 64-bit number, and Avro's long here ends at 2^53. */
const TIMESTAMP_MS_MAX = 8.64e15

export function recordOf({ offset, timestamp, key, value, headers }: KafkaMessage): InputRecord {
  return {
    offset,
    timestamp_ms: Math.max(-TIMESTAMP_MS_MAX, Math.min(Number(timestamp), TIMESTAMP_MS_MAX)),
    key,
    value,
    headers: headers ? headersOf(headers) : {},
  }
}

/** A header that comes twice is an array in kafkajs, one without a value null: the last value counts. */
function headersOf(headers: IHeaders): InputRecord['headers'] {
  const plain: Record<string, Buffer | string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const last = Array.isArray(value) ? value.at(-1) : value
    if (last !== undefined && last !== null) plain[name] = last
  }
  return plain
}
