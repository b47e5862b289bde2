// Renders one LLM request from a task, some items and the labels on offer. Pure: the same input gives the same bytes.
// Items are data: JSON strings on lines of their own between two markers that carry a code made from the text itself,
// so that no text can name the code, close the fence, or stand on a line of its own.
// Must never show a text that was not cleaned and redacted.
import { pathKey } from './labels.ts'
import { nearestExamples } from './llm/examples.ts'
import { fill } from './llm/prompt-template.ts'
import type { PromptExample } from './llm/examples.ts'
import type { Task } from './task.ts'

/** Hex digest of a text (SHA-256 in production). Passed in: core/ has no crypto. */
export type Hash = (text: string) => string

export interface PromptItem {
  /** Short and ours ("1", "2", …): good for this one call. */
  readonly id: string
  readonly segments: readonly string[]
}

export interface Choice {
  /** Values of the enum, `NONE` included where it is on offer. Fewer than a thousand. */
  readonly labels: readonly string[]
  /** True where this is the task's whole label set: it then belongs to the unchanging part. */
  readonly whole: boolean
}

/** One request, ready for ports/llm. */
export interface Prompt {
  readonly system: string
  readonly user: string
  readonly schema: { readonly name: string; readonly schema: Record<string, unknown> }
  readonly outputTokensMax: number
}

/** Items stand on lines of their own, as JSON (renderPrompt). */
export const isItemLine = (line: string): boolean => line.startsWith('{"id":')

/** What an item of a canary is called: no filter minds it. */
const HARMLESS = 'a table'

/**
 * The same request about a harmless item: where a provider takes this and not that, the text is at fault, not the model or the
 * address.
 */
export function canaryOf(prompt: Prompt): Prompt {
  const lines = prompt.user.split('\n')
  const user = lines.map((line) => {
    if (!isItemLine(line)) return line
    const { id, ...texts } = JSON.parse(line) as Record<string, string>
    return JSON.stringify({ id, ...Object.fromEntries(Object.keys(texts).map((name) => [name, HARMLESS])) })
  })
  return { ...prompt, user: user.join('\n') }
}

/** The way out of a short list. A label of this very name takes precedence over it. */
export const NONE = 'none_of_these'

const DESCRIPTION_CHARS_MAX = 300

export interface PromptOptions {
  /** Each segment is cut to this many UTF-16 units. */
  readonly segment_chars_max: number
  readonly output_tokens_max: number
  readonly hash: Hash
  /** Takes out what an LLM must not see, see core/llm/redact.ts. */
  readonly redact: (text: string) => string
}

export function renderPrompt(task: Task, items: readonly PromptItem[], choice: Choice, options: PromptOptions): Prompt {
  const labels = choice.labels.map((label) => describe(task, label)).join('\n')
  const lines = items.map((item) => JSON.stringify({ id: item.id, ...fields(task, item.segments, 'id', options) }))
  const examples = nearestExamples(task.examples, items, new Set(choice.labels))
  const values = {
    rubric: task.instruction,
    [choice.whole ? 'labels' : 'choices']: labels,
    examples: examples.map((one) => exampleLine(task, one, options)).join('\n'),
    items: fenced(lines.join('\n'), options.hash),
  }
  return {
    system: fill(task.prompt.system, values),
    user: fill(task.prompt.user, values),
    schema: {
      name: 'answers',
      schema: answersSchema(
        items.map(({ id }) => id),
        choice.labels,
      ),
    },
    outputTokensMax: options.output_tokens_max,
  }
}

/** Names everything that shapes an answer but the item: prompt, task, label set, examples, model. */
export function promptDigest(task: Task, model: string, hash: Hash): string {
  const segments = task.segments.map(({ name }) => name)
  const { descriptions } = task.labels
  const examples = task.examples.entries.map((one) => [one.segments, one.label])
  const shown = [task.prompt.source, task.examples.examples_max, examples]
  return hash(JSON.stringify([shown, task.name, task.instruction, segments, task.labelsDigest, descriptions, model]))
}

function describe(task: Task, label: string): string {
  const { descriptions } = task.labels
  const description = Object.hasOwn(descriptions, label) ? descriptions[label]! : ''
  return description === '' ? `- ${label}` : `- ${label}: ${clean(description, DESCRIPTION_CHARS_MAX)}`
}

function fenced(lines: string, hash: Hash): string {
  const code = hash(lines).slice(0, 16)
  return `BEGIN ITEMS ${code}\n${lines}\nEND ITEMS ${code}`
}

function exampleLine(task: Task, { segments, label }: PromptExample, options: PromptOptions): string {
  return JSON.stringify({ ...fields(task, segments, 'label', options), label: pathKey(label) })
}

/** The texts that are not empty, by segment; a segment called `taken` goes by another name. */
function fields(task: Task, segments: readonly string[], taken: string, options: PromptOptions) {
  const shown: Record<string, string> = {}
  const instead = task.segments.some(({ name }) => name === 'text') ? `its_${taken}` : 'text'
  segments.forEach((text, index) => {
    const name = task.segments[index]?.name ?? `text${index + 1}`
    const seen = clean(text, options.segment_chars_max, options.redact)
    if (seen !== '') shown[name === taken ? instead : name] = seen
  })
  return shown
}

/** One line of visible text: control characters and runs of space become one space; invisible ones (tags, bidi) go. */
function clean(text: string, chars_max: number, redact = (seen: string) => seen): string {
  const seen = text
    .slice(0, chars_max * 4)
    .toWellFormed()
    .replace(/[\p{Cf}\p{Co}\p{Cn}]/gu, '')
    .replace(/[\s\p{Cc}\p{Z}]+/gu, ' ')
    .trim()
  return redact(seen).slice(0, chars_max).toWellFormed()
}

function answersSchema(ids: readonly string[], labels: readonly string[]): Record<string, unknown> {
  const object = (properties: Record<string, unknown>) => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  })
  const answer = object({ id: { type: 'string', enum: ids }, label: { type: 'string', enum: labels } })
  return object({ answers: { type: 'array', items: answer } })
}
