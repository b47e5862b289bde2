// What every role stands on: events, broker, registry, caches. Opened together, closed together.
import { systemClock } from '../adapters/clock.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { brokersOf } from '../adapters/config/load.ts'
import { formatsOf } from '../adapters/config/topics.ts'
import { connectAdmin, createKafkaClient } from '../adapters/kafka/client.ts'
import { createOffsets } from '../adapters/kafka/offsets.ts'
import { createKafkaStream } from '../adapters/kafka/stream.ts'
import { createCodec } from '../adapters/registry/codec.ts'
import type { Task } from '../core/task.ts'
import type { Emit } from '../ports/events.ts'
import type { Stream } from '../ports/stream.ts'
import { openCaches, scopeOf } from './caches.ts'
import { similarTiers } from './similar.ts'

export interface Role {
  /** Resolves when drained; rejects with a SluiceError when it cannot go on. */
  run(): Promise<void>
  drain(): Promise<void>
  /** What is missing while the role works all the same: shown by /readyz. */
  degraded?(): readonly string[]
}

export type Runtime = Awaited<ReturnType<typeof openRuntime>>

/** Throws SL201, SL202, SL301 or SL302 in finite time when what it needs is not there. */
export async function openRuntime({ config, topics }: Deployment, emit: Emit) {
  const kafka = { ...config.kafka, brokers: brokersOf(config) }
  const client = createKafkaClient(kafka)
  const admin = await connectAdmin(client, kafka)
  const offsets = createOffsets(admin)
  const topicName = (alias: string): string => topics.get(alias)!.name
  const written = ['results', 'fallback', 'labels', 'reviews', 'dead-letters', 'calls'].map(topicName)
  const codec = await offsets
    .assertExist(written)
    .then(() => createCodec({ ...config.registry, ...config.limits }, formatsOf(topics)))
    .catch(async (error: unknown) => {
      await admin.disconnect()
      throw error
    })
  const caches = await openCaches(config, emit)

  return {
    config,
    client,
    emit,
    clock: systemClock,
    codec,
    asserted: caches.asserted,
    estimated: caches.estimated,
    cacheHealthy: caches.healthy,
    similar: similarTiers(caches, emit),
    leases: (task: Task) => caches.leases(scopeOf(task)),
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
        {
          ...kafka,
          name,
          delivery: config.delivery,
          batch_records_max,
          group,
          topics: [topic],
          shutdown_ms: config.shutdown_ms,
        },
        { client, offsets, emit },
      ),
    close: async () => {
      await admin.disconnect().catch(() => {})
      await caches.close()
    },
  }
}
