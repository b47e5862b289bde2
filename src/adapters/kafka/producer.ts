// A plain idempotent producer: for `sluice produce`, the demo's events, and what must be written before a batch is committed
// (the ledger). Must never carry an outcome: those go with their offset.
import type { Headers } from '../../ports/stream.ts'
import type { KafkaClient } from './client.ts'

export interface Event {
  readonly key: string | null
  readonly value: Buffer
  readonly headers: Headers
}

export interface EventProducer {
  send(topic: string, events: readonly Event[]): Promise<void>
  close(): Promise<void>
}

export async function createEventProducer({ kafka }: KafkaClient): Promise<EventProducer> {
  const producer = kafka.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    retry: { retries: 8, initialRetryTime: 50, maxRetryTime: 1000 },
  })
  await producer.connect()
  return {
    async send(topic, events) {
      await producer.send({
        topic,
        acks: -1,
        messages: events.map(({ key, value, headers }) => ({ key, value, headers: { ...headers } })),
      })
    },
    close: () => producer.disconnect(),
  }
}
