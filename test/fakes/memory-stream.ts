// The stream port in memory: partitions with offsets and gaps, groups that rebalance, outcomes and offset in one step.
// It keeps the same contract as the Kafka adapter (test/contract/stream.test.ts), without a broker and without waiting.
import { SluiceError } from '../../src/core/error.ts'
import { BatchLeft } from '../../src/ports/stream.ts'
import type { Handler, InputRecord, OutputRecord, Stream } from '../../src/ports/stream.ts'

type Stored = InputRecord | 'gap'

interface Group {
  readonly committed: Map<string, number>
  readonly members: Set<Member>
}

interface Member {
  readonly topics: readonly string[]
  /** `topic/partition`; replaced at every rebalance. */
  owned: ReadonlySet<string>
}

export interface MemoryBroker {
  createTopic(topic: string, partitions: number): void
  append(topic: string, partition: number, records: readonly Partial<InputRecord>[]): void
  /** An offset that no reader ever sees, as control records and aborted transactions leave. */
  gap(topic: string, partition: number): void
  read(topic: string): readonly InputRecord[]
  committed(group: string, topic: string, partition: number): number
  stream(settings: MemoryStreamSettings): Stream
}

export interface MemoryStreamSettings {
  readonly group: string
  readonly topics: readonly string[]
  readonly batch_records_max: number
}

export function memoryBroker(): MemoryBroker {
  const topics = new Map<string, Stored[][]>()
  const groups = new Map<string, Group>()
  let wake = Promise.withResolvers<void>()

  function poke(): void {
    wake.resolve()
    wake = Promise.withResolvers()
  }

  function logOf(key: string): Stored[] {
    const [topic, partition] = split(key)
    return topics.get(topic)![partition]!
  }

  function groupOf(name: string): Group {
    const found = groups.get(name) ?? { committed: new Map(), members: new Set() }
    groups.set(name, found)
    return found
  }

  function rebalance(group: Group): void {
    const members = [...group.members]
    const keys = [...new Set(members.flatMap((member) => member.topics))].flatMap((topic) =>
      topics.get(topic)!.map((_, partition) => `${topic}/${partition}`),
    )
    for (const [index, member] of members.entries())
      member.owned = new Set(keys.filter((_, position) => position % members.length === index))
    poke()
  }

  function append(topic: string, partition: number, records: readonly Partial<InputRecord>[]): void {
    const log = topics.get(topic)![partition]!
    for (const record of records)
      log.push({ key: null, value: null, headers: {}, timestamp_ms: 0, ...record, offset: String(log.length) })
    poke()
  }

  /** All of it or nothing. */
  function transact(group: Group, key: string, outputs: readonly OutputRecord[], next: number): void {
    for (const { topic, key: name, value, headers } of outputs)
      append(topic, 0, [{ key: name === null ? null : Buffer.from(name), value, headers }])
    group.committed.set(key, next)
  }

  return {
    append,
    createTopic: (topic, partitions) =>
      void topics.set(
        topic,
        Array.from({ length: partitions }, () => []),
      ),
    gap: (topic, partition) => void topics.get(topic)![partition]!.push('gap'),
    read: (topic) => topics.get(topic)!.flatMap((log) => log.filter((it) => it !== 'gap')),
    committed: (group, topic, partition) => groupOf(group).committed.get(`${topic}/${partition}`) ?? -1,

    stream({ group: name, topics: subscribed, batch_records_max }) {
      const group = groupOf(name)
      const member: Member = { topics: subscribed, owned: new Set() }
      const busy = new Map<string, Promise<void>>()
      const ended = Promise.withResolvers<void>()
      let draining = false
      let failure: SluiceError | undefined

      function assertStart(): void {
        const missing = subscribed.filter((topic) => !topics.has(topic))
        if (missing.length > 0) throw new SluiceError('SL202', missing.join(', '))
      }

      async function handle(key: string, handler: Handler): Promise<void> {
        const [topic, partition] = split(key)
        const log = logOf(key)
        const { owned } = member
        const lost = () => draining || failure !== undefined || member.owned !== owned
        for (;;) {
          const from = group.committed.get(key) ?? 0
          const records = log.slice(from).filter((it) => it !== 'gap')
          const batch = records.slice(0, batch_records_max)
          if (batch.length === 0 || lost()) return
          const next = batch.length === records.length ? log.length : Number(batch.at(-1)!.offset) + 1
          const progress = async () => {
            if (lost()) throw new BatchLeft()
          }
          const after: Parameters<Parameters<Handler>[2]>[] = []
          let isCommitted = false
          try {
            const outputs = await handler({ topic, partition, records: batch }, progress, (...it) => after.push(it))
            if (member.owned !== owned) return // fenced
            transact(group, key, outputs, next)
            isCommitted = true
          } finally {
            if (!isCommitted) for (const [, otherwise] of after) otherwise?.()
          }
          await Promise.all(after.map(([work]) => work()))
        }
      }

      function start(key: string, handler: Handler): void {
        const work = handle(key, handler)
          .catch((error: unknown) => {
            if (error instanceof BatchLeft) return
            const { name } = error as Error
            failure ??= error instanceof SluiceError ? error : new SluiceError('SL205', name, { cause: error })
          })
          .finally(() => {
            busy.delete(key)
            poke()
          })
        busy.set(key, work)
      }

      return {
        async run(handler) {
          assertStart()
          group.members.add(member)
          rebalance(group)
          for (;;) {
            const woken = wake.promise
            if (draining || failure !== undefined) break
            for (const key of member.owned) {
              const waiting = logOf(key).slice(group.committed.get(key) ?? 0)
              if (!busy.has(key) && waiting.some((it) => it !== 'gap')) start(key, handler)
            }
            await woken
          }
          await Promise.all(busy.values())
          group.members.delete(member)
          rebalance(group)
          ended.resolve()
          if (failure) throw failure
        },
        async drain() {
          draining = true
          poke()
          if (group.members.has(member)) await ended.promise
        },
      }
    },
  }
}

function split(key: string): [topic: string, partition: number] {
  const at = key.lastIndexOf('/')
  return [key.slice(0, at), Number(key.slice(at + 1))]
}
