// Reads back what the classify role wrote to the fallback topic. What does not fit is refused, never repaired.
import type { Ranked } from '../core/answer.ts'
import type { Item, Source } from '../core/item.ts'
import type { Task } from '../core/task.ts'

/** The reverse of what `fallback` writes; undefined where the value is not one of ours. */
export function readFallback(
  task: Task,
  value: unknown,
  hash: (segments: readonly string[]) => string | undefined,
): { item: Item; shortlist: readonly Ranked[] } | undefined {
  const record = value as {
    item?: unknown
    task?: unknown
    entity?: unknown
    segments?: { name?: unknown; text?: unknown }[]
    shortlist?: Ranked[]
    source?: { topic?: unknown; partition?: unknown; offset?: unknown; timestamp?: unknown }
  }
  const { item: id, entity, segments, shortlist, source } = record
  if (record.task !== task.name || typeof id !== 'string' || typeof entity !== 'string') return undefined
  if (!Array.isArray(segments) || !Array.isArray(shortlist) || !source || typeof source.topic !== 'string')
    return undefined
  const texts = task.segments.map(({ name }) => segments.find((segment) => segment.name === name)?.text)
  if (!texts.every((text): text is string => typeof text === 'string')) return undefined
  const textHash = hash(texts)
  if (textHash === undefined) return undefined
  const at: Source = {
    topic: source.topic,
    partition: Number(source.partition),
    offset: String(source.offset),
    timestamp_ms: Number(source.timestamp),
  }
  return { item: { id, task: task.name, entity, segments: texts, textHash, source: at }, shortlist }
}
