// Finds what an item left in the topics: from its id by the coordinates in it, from a key by the partitions where records of
// that key are. Reads only.
import type { Search, FoundRecord, Wanted } from '../../adapters/kafka/search.ts'
import type { Topic } from '../../adapters/config/topics.ts'
import type { Evidence } from '../../core/explain.ts'
import { intake } from '../../core/intake.ts'
import type { Item } from '../../core/item.ts'
import type { Task } from '../../core/task.ts'
import type { Codec } from '../../ports/codec.ts'
import { textHash } from '../../tiers/exact.ts'

export interface TrailDeps {
  readonly search: Search
  readonly codec: Codec
  /** By alias. */
  readonly topics: ReadonlyMap<string, Topic>
  readonly tasks: readonly Task[]
  readonly limits: { readonly items_per_record_max: number; readonly segment_chars_max: number }
  readonly since_ms: number
  readonly onProgress: (what: string, done: number, total: number) => void
}

export interface ItemId {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly index: number
}

/** An item to be explained, with its input record where that was found on the way. */
export interface Sought {
  readonly id: ItemId
  readonly record?: FoundRecord
}

export interface Trail {
  readonly evidence: readonly Evidence[]
  /** The input record; undefined where it is gone. */
  readonly input: FoundRecord | undefined
  /** The item as the tasks took it from its record. */
  readonly items: readonly Item[]
}

const OUTCOMES = ['results', 'fallback', 'reviews', 'labels', 'dead-letters', 'calls'] as const
/** A producer's clock may be ahead by so much (Kafka's default of message.timestamp.after.max.ms). */
const CLOCKS_MS = 3_600_000

/** Undefined where the text is no item id. */
export function readItemId(text: string): ItemId | undefined {
  const [, topic, partition, offset, index] = /^(.+)\/(\d{1,9})\/(\d{1,18})\/(\d{1,9})$/.exec(text) ?? []
  return topic === undefined
    ? undefined
    : { topic, partition: Number(partition), offset: offset!, index: Number(index) }
}

export function writeItemId({ topic, partition, offset, index }: ItemId): string {
  return `${topic}/${partition}/${offset}/${index}`
}

/** Everything that is there of one item; its input record is looked for where it is not given. */
export async function trailOf(deps: TrailDeps, { id, record }: Sought): Promise<Trail> {
  const { search, topics, tasks } = deps
  const name = writeItemId(id)
  const ours = tasks.filter(({ topic }) => topics.get(topic)!.name === id.topic)
  const input = record ?? (await search.at(id.topic, id.partition, id.offset))
  const items = input ? await itemsOf(deps, input, id, ours) : []
  // Nothing of an item is older than its record.
  const since_ms = input ? Math.max(input.timestamp_ms - CLOCKS_MS, 0) : deps.since_ms
  const keysOf: Readonly<Record<(typeof OUTCOMES)[number], readonly string[]>> = {
    results: items.map(({ entity }) => entity),
    fallback: items.map(({ textHash }) => textHash),
    reviews: [name],
    labels: ours.map((task) => `${task.name}/${name}`),
    'dead-letters': [],
    calls: [],
  }
  const wanted = OUTCOMES.flatMap((alias): Wanted[] => {
    const topic = topics.get(alias)?.name
    if (topic === undefined) return []
    const keys = [...new Set(keysOf[alias])]
    return keys.length === 0 ? [{ topic }] : keys.map((key) => ({ topic, key }))
  })
  const entities = new Set(items.map(({ entity }) => entity))
  const isOurs = ({ topic, key, headers, value }: FoundRecord) =>
    (topic === topics.get('calls')?.name && mentions(value, name)) ||
    String(headers['sluice-item'] ?? '') === name ||
    (topic === topics.get('results')?.name && entities.has(String(key)))
  const found: FoundRecord[] = []
  await search.read(wanted, {
    since_ms,
    onRecord: (record) => {
      if (isOurs(record)) found.push(record)
    },
    onProgress: (done, total) => deps.onProgress('reading what was written of it', done, total),
  })
  return { evidence: await decoded(deps, found), input, items }
}

/** The items that the key names, newest first: of an entity, or all items of the records with that key. */
export async function soughtBy(deps: TrailDeps, key: string): Promise<readonly Sought[]> {
  const { search, topics, tasks } = deps
  const inputs = [...new Set(tasks.map(({ topic }) => topics.get(topic)!.name))]
  const results = topics.get('results')!.name
  const waiting = ['fallback', 'reviews'].map((alias) => topics.get(alias)!.name)
  const letters = topics.get('dead-letters')!.name
  const found: FoundRecord[] = []
  await search.read(
    [...inputs, results]
      .map((topic): Wanted => ({ topic, key }))
      .concat([...waiting, letters].map((topic) => ({ topic }))),
    {
      since_ms: deps.since_ms,
      // The entity of what waits stands in its value alone.
      onRecord: (record) => {
        const isOurs = waiting.includes(record.topic) ? mentions(record.value, key) : String(record.key) === key
        if (isOurs) found.push(record)
      },
      onProgress: (done, total) => deps.onProgress('looking for the key', done, total),
    },
  )
  const values = await decoded(deps, found)
  const items = new Map<string, Sought & { at_ms: number }>()
  const add = (id: ItemId, at_ms: number, record?: FoundRecord) =>
    items.set(writeItemId(id), { ...items.get(writeItemId(id)), ...(record ? { record } : {}), id, at_ms })
  for (const [at, record] of found.entries()) {
    const named = readItemId(String(record.headers['sluice-item'] ?? ''))
    if (inputs.includes(record.topic)) {
      const { topic, partition, offset, timestamp_ms } = record
      const ours = tasks.filter((task) => topics.get(task.topic)!.name === topic)
      const taken = await itemsOf(deps, record, undefined, ours)
      for (const { id } of taken) add(readItemId(id)!, timestamp_ms, record)
      if (taken.length === 0) add({ topic, partition, offset, index: 0 }, timestamp_ms, record)
    } else if (named && (!waiting.includes(record.topic) || values[at]!.value['entity'] === key))
      add(named, record.timestamp_ms)
  }
  return [...items.values()].toSorted((a, b) => b.at_ms - a.at_ms || b.id.index - a.id.index)
}

/**
 * Whether the text may stand in the value, in Avro or in the JSON that we write: topics that have to be read whole may be
 * larger than memory.
 */
function mentions(value: Buffer | null, text: string): boolean {
  return value !== null && (value.includes(text) || value.includes(JSON.stringify(text).slice(1, -1)))
}

/** What the tasks take from the record; of `id` alone where there is one. */
async function itemsOf(
  { codec, limits }: TrailDeps,
  record: FoundRecord,
  id: ItemId | undefined,
  tasks: readonly Task[],
): Promise<Item[]> {
  const { topic, partition, offset, timestamp_ms } = record
  const [value] = await codec.decode(topic, [record.value])
  if (!value?.ok) return []
  return tasks
    .flatMap((task) => intake(task, { topic, partition, offset, timestamp_ms }, value.value, textHash, limits))
    .filter((it): it is Item => !('kind' in it) && (id === undefined || it.id === writeItemId(id)))
}

async function decoded({ codec, topics }: TrailDeps, found: readonly FoundRecord[]): Promise<Evidence[]> {
  const byName = new Map([...topics.values()].map((topic) => [topic.name, topic]))
  const values = new Map<FoundRecord, unknown>()
  for (const [name, records] of Map.groupBy(found, ({ topic }) => topic)) {
    if (byName.get(name)?.format === 'raw') continue
    const all = await codec.decode(
      name,
      records.map(({ value }) => value),
    )
    records.forEach((record, at) => values.set(record, all[at]!.ok ? all[at]!.value : {}))
  }
  return found.map((record) => ({
    ...record,
    kind: byName.get(record.topic)?.alias ?? '',
    headers: Object.fromEntries(Object.entries(record.headers).map(([name, value]) => [name, String(value)])),
    value: (values.get(record) ?? {}) as Evidence['value'],
  }))
}
