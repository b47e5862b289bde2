// Takes a decoded record apart into items. A bad element refuses itself, never its neighbours.
import { itemId } from './item.ts'
import type { Item, Source } from './item.ts'
import type { DeadLetter, Reason } from './outcome.ts'
import type { Task } from './task.ts'
import { readField, render } from './template.ts'

export interface IntakeLimits {
  readonly items_per_record_max: number
  readonly segment_chars_max: number
}

/** The entity becomes a record key: what is longer is no name of anything. */
const ENTITY_CHARS_MAX = 1000

/** Hash of the normalised segments; undefined where nothing is left of the text. */
export type TextHash = (segments: readonly string[]) => string | undefined

/** At least one item or dead letter per record, in the record's order. */
export function intake(
  task: Task,
  source: Source,
  value: unknown,
  hash: TextHash,
  limits: IntakeLimits,
): readonly (Item | DeadLetter)[] {
  if (task.each === undefined) return [takeItem(task, source, 0, value, hash, limits)]
  const elements = readField(value, [task.each])
  if (!Array.isArray(elements)) return [refuse(task, source, 0, 'missing-field', task.each)]
  if (elements.length === 0) return [refuse(task, source, 0, 'no-items', task.each)]
  if (elements.length > limits.items_per_record_max)
    return [refuse(task, source, 0, 'too-many-items', `${elements.length} in ${task.each}`)]
  const { each } = task
  return elements.map((element: unknown, index) =>
    takeItem(task, source, index, { ...(value as object), [each]: element }, hash, limits),
  )
}

function takeItem(
  task: Task,
  source: Source,
  index: number,
  record: unknown,
  hash: TextHash,
  limits: IntakeLimits,
): Item | DeadLetter {
  const entity = render(task.entity, record)
  if (entity.missing !== undefined) return refuse(task, source, index, 'missing-field', entity.missing)
  if (entity.text.length > ENTITY_CHARS_MAX)
    return refuse(task, source, index, 'long-entity', `${entity.text.length} characters`)
  const tenant = task.localOnly && render(task.localOnly.tenant, record)
  if (tenant?.missing !== undefined) return refuse(task, source, index, 'missing-field', tenant.missing)
  const segments: string[] = []
  for (const segment of task.segments) {
    const { text, missing } = render(segment.text, record)
    if (missing !== undefined) return refuse(task, source, index, 'missing-field', missing)
    segments.push(text.length > limits.segment_chars_max ? text.slice(0, limits.segment_chars_max) : text)
  }
  const textHash = hash(segments)
  if (textHash === undefined) return refuse(task, source, index, 'empty-text', '')
  const item = { id: itemId(source, index), task: task.name, entity: entity.text, segments, textHash, source }
  return tenant ? { ...item, tenant: tenant.text.slice(0, ENTITY_CHARS_MAX) } : item
}

export function refuse(task: Task, source: Source, index: number, reason: Reason, detail: string): DeadLetter {
  return { kind: 'dead-letter', task: task.name, source, index, reason, detail }
}
