// The codec port: Avro in Confluent wire format through the schema registry, or JSON, per topic.
// Own schemas are looked up once at start; writers' schemas are fetched by id, bounded in time and number. Never registers.
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import avsc from 'avsc'
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import type { Type } from 'avsc'
import { LRUCache } from 'lru-cache'
import { SluiceError } from '../../core/error.ts'
import type { Reason } from '../../core/outcome.ts'
import type { Codec, Decoded, TopicFormat } from '../../ports/codec.ts'
import { needsScan, scan, UnsafeAvro } from './safe-avro.ts'

export interface CodecSettings {
  readonly url: string
  readonly timeout_ms: number
  readonly record_bytes_max: number
}

interface Reader {
  readonly type: Type
  readonly scanned: boolean
}

type Encode = (value: object) => Buffer

const HEADER_BYTES = 5
const refuse = (reason: Reason, detail: string): Decoded => ({ ok: false, reason, detail })

/** Throws SL301 when the registry does not answer, SL302 when a schema of ours is not registered. */
export async function createCodec(settings: CodecSettings, formats: readonly TopicFormat[]): Promise<Codec> {
  const byTopic = new Map(formats.map((format) => [format.topic, format]))
  const connect = () => {
    const agent = URL.parse(settings.url)?.protocol === 'https:' ? new HttpsAgent() : new HttpAgent()
    return { agent, client: new SchemaRegistry({ host: settings.url, agent, retry: { retries: 0 } }) }
  }
  let registry = connect()
  /**
   * Its client shares requests in flight for ever, one that hangs as well, and never closes their sockets, which would
   * keep the process from ending: after a failure they are closed and it starts afresh.
   */
  const bounded = <T>(work: Promise<T>): Promise<T> =>
    withTimeout(work, settings.timeout_ms, settings.url).catch((error: unknown) => {
      if (error instanceof SluiceError) {
        registry.agent.destroy()
        registry = connect()
      }
      throw error
    })
  const readers = new LRUCache<number, Promise<Reader | undefined>>({ max: 1000 })
  const unknownIds = new LRUCache<number, true>({ max: 10_000, ttl: 60_000 })
  const encoders = new Map<string, Encode>()

  for (const { topic, format, writes } of formats) {
    if (format === 'json') encoders.set(topic, (value) => Buffer.from(JSON.stringify(value)))
    else if (writes) encoders.set(topic, await avroEncoder(topic, writes))
  }

  async function avroEncoder(topic: string, schema: object): Promise<Encode> {
    const id = await bounded(
      registry.client.getRegistryIdBySchema(`${topic}-value`, {
        type: 'AVRO',
        schema: JSON.stringify(schema),
      } as never),
    ).catch((error: unknown) => {
      throw isAnswer(error) ? new SluiceError('SL302', `${topic}-value`, { cause: error }) : error
    })
    return encoderOf(avsc.Type.forSchema(schema as never), id)
  }

  /** The writer's type, or undefined when the registry does not know the id. Rejects with SL301. */
  function readerOf(id: number): Promise<Reader | undefined> {
    const known = readers.get(id)
    if (known) return known
    if (unknownIds.get(id)) return Promise.resolve(undefined)
    const asked = bounded(registry.client.getSchema(id)).then(
      (schema) => ({ type: schema as unknown as Type, scanned: needsScan(schema as unknown as Type) }),
      (error: unknown) => {
        readers.delete(id)
        if (!isAnswer(error)) throw error
        unknownIds.set(id, true)
        return undefined
      },
    )
    readers.set(id, asked)
    return asked
  }

  async function decodeAvro(values: readonly (Buffer | null)[]): Promise<Decoded[]> {
    const ids = new Set<number>()
    for (const value of values) if (value && isFramed(value)) ids.add(value.readInt32BE(1))
    const types = new Map<number, Reader | undefined>()
    for (const id of ids) types.set(id, await readerOf(id))
    return values.map((value) =>
      checked(value, (bytes) => {
        if (!isFramed(bytes)) return refuse('wire-format', `${bytes.length} bytes, first is ${bytes[0] ?? 'absent'}`)
        const id = bytes.readInt32BE(1)
        const reader = types.get(id)
        if (!reader) return refuse('unknown-schema', `schema id ${id}`)
        return decodeOne(reader, bytes)
      }),
    )
  }

  const checked = (value: Buffer | null, decode: (bytes: Buffer) => Decoded): Decoded => {
    if (value === null) return refuse('tombstone', '')
    if (value.length > settings.record_bytes_max) return refuse('too-large', `${value.length} bytes`)
    return decode(value)
  }

  return {
    async decode(topic, values) {
      if (byTopic.get(topic)?.format === 'json') return values.map((value) => checked(value, decodeJson))
      return decodeAvro(values)
    },
    async encode(topic, values) {
      const encode = encoders.get(topic)
      if (!encode) throw new SluiceError('SL302', `no schema to write ${topic} with`)
      return values.map(encode)
    },
  }
}

function isFramed(value: Buffer): boolean {
  return value.length >= HEADER_BYTES && value[0] === 0
}

function decodeOne({ type, scanned }: Reader, bytes: Buffer): Decoded {
  try {
    if (scanned) scan(type, bytes, HEADER_BYTES)
    return { ok: true, value: type.fromBuffer(bytes.subarray(HEADER_BYTES)) }
  } catch (error) {
    return refuse('bad-value', error instanceof UnsafeAvro ? error.message : 'does not decode with its schema')
  }
}

function decodeJson(bytes: Buffer): Decoded {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { ok: true, value }
      : refuse('bad-value', 'not a JSON object')
  } catch {
    return refuse('bad-value', 'not JSON')
  }
}

/** Confluent wire format: magic byte 0, schema id as 4 bytes big-endian, Avro. One scratch buffer; results are copies. */
function encoderOf(type: Type, id: number): Encode {
  let scratch = Buffer.allocUnsafe(16_384)
  scratch.writeInt8(0, 0)
  scratch.writeInt32BE(id, 1)
  return (value) => {
    let end = type.encode(value, scratch, HEADER_BYTES)
    if (end < 0) {
      scratch = Buffer.allocUnsafe((scratch.length - end) * 2)
      scratch.writeInt8(0, 0)
      scratch.writeInt32BE(id, 1)
      end = type.encode(value, scratch, HEADER_BYTES)
    }
    return Buffer.copyBytesFrom(scratch, 0, end)
  }
}

/**
 * True when the registry answered: there is no such thing, or (no status) a schema that cannot be read here. Its client
 * reports a refused connection as status 400, so only statuses that a registry gives on purpose count.
 */
function isAnswer(error: unknown): boolean {
  const { status } = error as { status?: number }
  return !(error instanceof SluiceError) && (status === undefined || [404, 409, 422].includes(status))
}

async function withTimeout<T>(work: Promise<T>, timeout_ms: number, url: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new SluiceError('SL301', `${hostOf(url)}: no answer in ${timeout_ms} ms`)),
    timeout_ms,
  )
  try {
    return await Promise.race([work, promise])
  } catch (error) {
    if (error instanceof SluiceError || isAnswer(error)) throw error
    throw new SluiceError('SL301', `no answer from ${hostOf(url)}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/** Host and port only: a registry's URL may carry a password. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an invalid URL'
}
