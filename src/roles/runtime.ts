// What every role stands on: events, broker, registry, caches. Opened together, closed together.
import { systemClock } from '../adapters/clock.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { connectAdmin, createKafkaClient } from '../adapters/kafka/client.ts'
import { createOffsets } from '../adapters/kafka/offsets.ts'
import { createKafkaStream } from '../adapters/kafka/stream.ts'
import { memoryCache } from '../adapters/memory/cache.ts'
import { layeredCache } from '../adapters/memory/layered.ts'
import { redisCache } from '../adapters/redis/cache.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import { SluiceError } from '../core/error.ts'
import type { Emit } from '../ports/events.ts'
import type { Stream } from '../ports/stream.ts'

/** Starting waits this long for Redis, then goes on without it. */
const REDIS_READY_MS = 500

export interface Role {
  /** Resolves when drained; rejects with a SluiceError when it cannot go on. */
  run(): Promise<void>
  drain(): Promise<void>
}

export type Runtime = Awaited<ReturnType<typeof openRuntime>>

/** Throws SL201, SL301 or SL302 in finite time when what it needs is not there. */
export async function openRuntime({ config, topics }: Deployment, emit: Emit) {
  const kafka = { ...config.kafka, brokers: config.kafka.brokers.split(',').map((broker) => broker.trim()) }
  const client = createKafkaClient(kafka)
  const admin = await connectAdmin(client, kafka)
  const offsets = createOffsets(admin)
  const { entries_max, bytes_max } = config.cache
  const { ttl_s, url } = config.redis
  const inProcess = () => memoryCache({ entries_max, bytes_max, ttl_s: Math.min(ttl_s, 300) })
  const redis = url === '' ? undefined : redisCache({ url, ttl_s, clock: systemClock, emit })
  await redis?.ready(REDIS_READY_MS)
  const asserted = redis ? layeredCache(inProcess(), redis, emit) : inProcess()
  const estimated = inProcess()
  const formats = [...topics.values()]
    .filter((topic) => topic.format !== 'raw')
    .map(({ name, format, avro, writers }) => {
      const ours = writers.some((writer) => writer !== 'shop')
      return { topic: name, format: format as 'avro' | 'json', ...(ours && avro ? { writes: avro } : {}) }
    })
  const codec = await createCodec(
    {
      registry_url: config.registry.url,
      timeout_ms: config.registry.timeout_ms,
      record_bytes_max: config.limits.record_bytes_max,
    },
    formats,
  )
  const topicName = (alias: string): string => {
    const topic = topics.get(alias)
    if (!topic) throw new SluiceError('SL103', `no topic "${alias}"`)
    return topic.name
  }

  return {
    config,
    emit,
    clock: systemClock,
    codec,
    offsets,
    asserted,
    estimated,
    topicName,
    outcomeTopics: {
      results: topicName('results'),
      fallback: topicName('fallback'),
      reviews: topicName('reviews'),
      deadLetters: topicName('dead-letters'),
    },
    /** `name` labels the stream's stages. */
    stream: (name: string, group: string, topic: string, batch_records_max: number): Stream =>
      createKafkaStream(
        { ...kafka, name, delivery: config.delivery, batch_records_max, group, topics: [topic] },
        { client, offsets, emit },
      ),
    close: async () => {
      await admin.disconnect().catch(() => {})
      await Promise.all([asserted.close(), estimated.close()])
    },
  }
}
