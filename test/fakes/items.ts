// Tasks, items and answers for the tests of core/ and engine/. Plain values, nothing that runs.
import type { Answer } from '../../src/core/answer.ts'
import type { Item, Source } from '../../src/core/item.ts'
import { itemId } from '../../src/core/item.ts'
import { labelSet } from '../../src/core/labels.ts'
import type { Task } from '../../src/core/task.ts'
import { parseTemplate } from '../../src/core/template.ts'
import { PROMPT } from '../support/prompt.ts'
import { SIMILAR } from '../support/similar.ts'

export const LABELS = labelSet([
  ['Food', 'Cheese'],
  ['Food', 'Bread'],
  ['Home', 'Lamps'],
])

/** Two levels; one item a record, of its `title`. */
export function taskOf(changes: Partial<Task> = {}): Task {
  return {
    name: 'shop',
    topic: 'products',
    each: undefined,
    entity: parseTemplate('{id}'),
    segments: [{ name: 'title', text: parseTemplate('{title}') }],
    labels: LABELS,
    labelsDigest: 'labels-1',
    gate: { thresholds: [0.75, 0.5] },
    order: ['exact', 'local'],
    similar: SIMILAR,
    instruction: 'Say what kind of thing each product is.',
    ...PROMPT,
    ...changes,
  }
}

/** One item a candidate of a query. */
export function pairTask(changes: Partial<Task> = {}): Task {
  return taskOf({
    name: 'pairs',
    topic: 'queries',
    each: 'candidates',
    entity: parseTemplate('{id}/{candidates.id}'),
    segments: [
      { name: 'query', text: parseTemplate('{query}') },
      { name: 'title', text: parseTemplate('{candidates.title}') },
      { name: 'brand', text: parseTemplate('{candidates.brand?}') },
    ],
    ...changes,
  })
}

export function sourceOf(offset: number, changes: Partial<Source> = {}): Source {
  return { topic: 'products', partition: 0, offset: String(offset), timestamp_ms: 1_800_000_000_000, ...changes }
}

export function itemOf(offset: number, title = `thing ${offset}`): Item {
  const source = sourceOf(offset)
  return {
    id: itemId(source, 0),
    task: 'shop',
    entity: `p${offset}`,
    segments: [title],
    textHash: `h:${title}`,
    source,
  }
}

export function answerOf(probabilities: readonly number[], changes: Partial<Answer> = {}): Answer {
  return { label: LABELS.paths[0]!, probabilities, tier: 'local', digest: 'model-1', ...changes }
}

/** The text in lower case; nothing left of white space alone. */
export function plainHash(segments: readonly string[]): string | undefined {
  const text = segments.join('\n').trim().toLowerCase()
  return text === '' ? undefined : text
}
