// Reads back what the classify role wrote to the fallback topic. What does not fit is refused, never repaired.
import type { Ranked } from '../core/answer.ts'
import type { Source } from '../core/item.ts'
import { pathKey } from '../core/labels.ts'
import type { Task } from '../core/task.ts'
import type { OpenItem } from '../ports/tier.ts'

/** The reverse of what `fallback` writes; undefined where the value is not one of ours. */
export function readFallback(
  task: Task,
  value: unknown,
  hash: (segments: readonly string[]) => string | undefined,
  /** Keys of the task's label set. */
  known: ReadonlyMap<string, number>,
): OpenItem | undefined {
  const { item: id, task: name, entity, segments, shortlist, source: from, tenant, provisional } = fieldsOf(value)
  if (name !== task.name || typeof id !== 'string' || typeof entity !== 'string') return undefined
  const source = readSource(fieldsOf(from))
  if (!source || !Array.isArray(segments) || !Array.isArray(shortlist) || !shortlist.every(isRanked)) return undefined
  const named = new Map(segments.map(fieldsOf).map((segment) => [segment['name'], segment['text']]))
  const texts = task.segments.map((segment) => named.get(segment.name))
  if (!texts.every((text): text is string => typeof text === 'string')) return undefined
  const textHash = hash(texts)
  if (textHash === undefined) return undefined
  // Items wait for days: a path that the label set has lost since is not offered to the LLM.
  const offered = shortlist.filter(({ label }) => known.has(pathKey(label)))
  const item = { id, task: task.name, entity, segments: texts, textHash, source }
  return {
    item: typeof tenant === 'string' ? { ...item, tenant } : item,
    shortlist: offered,
    ...(typeof provisional === 'string' ? { provisional } : {}),
  }
}

function readSource({ topic, partition, offset, timestamp }: Fields): Source | undefined {
  if (typeof topic !== 'string' || !isWhole(partition) || !isWhole(offset) || !isWhole(timestamp)) return undefined
  return { topic, partition, offset: String(offset), timestamp_ms: timestamp }
}

function isRanked(value: unknown): value is Ranked {
  const { label, probability } = fieldsOf(value)
  return Array.isArray(label) && label.every((it) => typeof it === 'string') && Number.isFinite(probability)
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

type Fields = Readonly<Record<string, unknown>>

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}
