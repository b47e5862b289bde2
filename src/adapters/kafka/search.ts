// Looks for records of a few keys: in the partitions where the default partitioner puts them, from a time on, committed ones
// only. Takes no part in any group that works, and commits nothing.
import kafkajs from 'kafkajs'
import { SluiceError } from '../../core/error.ts'
import type { InputRecord } from '../../ports/stream.ts'
import { connectAdmin, createKafkaClient } from './client.ts'
import type { KafkaSettings } from './client.ts'
import { rangesOf, readRanges } from './reader.ts'

export interface Wanted {
  readonly topic: string
  /** Records of this key alone, as far as their partition tells; absent: all partitions. */
  readonly key?: string | undefined
}

export interface FoundRecord extends InputRecord {
  readonly topic: string
  readonly partition: number
}

export interface SearchOptions {
  /** Records written before this may be left out, milliseconds since the epoch. */
  readonly since_ms: number
  readonly onRecord: (record: FoundRecord) => void
  readonly onProgress: (done: number, total: number) => void
}

export interface Search {
  /** The one record there; undefined where it is gone, or never was. */
  at(topic: string, partition: number, offset: string): Promise<FoundRecord | undefined>
  /** Reads to where the topics end now, or to an open transaction. Topics that are not there hold nothing. */
  read(wanted: readonly Wanted[], options: SearchOptions): Promise<void>
  close(): Promise<void>
}

/** Throws SL201 where no broker answers. */
export async function openSearch(settings: KafkaSettings): Promise<Search> {
  const client = createKafkaClient(settings)
  const admin = await connectAdmin(client, settings)
  const existing = new Set(await admin.listTopics())
  const partitioner = kafkajs.Partitioners.DefaultPartitioner()

  function partitionOf(topic: string, key: string, partitions: number): number {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionId, leader: 0 }))
    return partitioner({ topic, partitionMetadata: partitionMetadata as never, message: { key, value: null } })
  }

  return {
    async at(topic, partition, offset) {
      if (!existing.has(topic)) throw new SluiceError('SL202', topic)
      const found = (await admin.fetchTopicOffsets(topic)).find((it) => it.partition === partition)
      const from = BigInt(offset)
      if (!found || from < BigInt(found.low) || from >= BigInt(found.high)) return undefined
      let record: FoundRecord | undefined
      await readRanges(client, [{ topic, partition, from, end: from + 1n }], {
        uncommitted: false,
        onRecord: (it) => (record = { ...it, topic, partition }),
        onProgress: () => {},
      })
      return record
    },
    async read(wanted, { since_ms, onRecord, onProgress }) {
      const there = wanted.filter(({ topic }) => existing.has(topic))
      const ranges = await Promise.all(
        there.map(async ({ topic, key }) => {
          const all = await rangesOf(admin, topic, since_ms)
          return key === undefined
            ? all
            : all.filter(({ partition }) => partition === partitionOf(topic, key, all.length))
        }),
      )
      await readRanges(client, ranges.flat(), {
        uncommitted: false,
        onRecord: (record, topic, partition) => onRecord({ ...record, topic, partition }),
        onProgress,
      })
    },
    close: () => admin.disconnect(),
  }
}
