// Tasks, items and prompts for the tests of the LLM tier.
import { createHash } from 'node:crypto'
import { labelSet } from '../../src/core/labels.ts'
import { REDACTIONS, redactor } from '../../src/core/llm/redact.ts'
import { renderPrompt } from '../../src/core/prompt.ts'
import { parseTemplate } from '../../src/core/template.ts'
import { PROMPT } from './prompt.ts'
import { SIMILAR } from './similar.ts'
import type { TestContext } from 'node:test'
import type { Ranked } from '../../src/core/answer.ts'
import type { LabelPath } from '../../src/core/labels.ts'
import type { Prompt } from '../../src/core/prompt.ts'
import type { Task } from '../../src/core/task.ts'
import type { OpenItem } from '../../src/ports/tier.ts'

/** The same seed in every run unless SEED is set: a suite that fails by chance says nothing. Printed. */
export function seed(t: TestContext): number {
  const value = Number(process.env['SEED'] ?? 20_261_122)
  t.diagnostic(`SEED=${value}`)
  return value
}

export const hash = (text: string): string => createHash('sha256').update(text).digest('hex')

export function taskWith(paths: readonly LabelPath[], segments: readonly string[] = ['product']): Task {
  return {
    name: 'shop',
    topic: 'products',
    each: undefined,
    entity: parseTemplate('{id}'),
    segments: segments.map((name) => ({ name, text: parseTemplate(`{${name}}`) })),
    labels: labelSet(paths),
    labelsDigest: 'labels-1',
    gate: { thresholds: [0.5] },
    order: ['llm'],
    similar: SIMILAR,
    instruction: 'Say what kind of thing each product is.',
    ...PROMPT,
  }
}

/** A small, flat label set: shown whole. */
export function shopTask(): Task {
  return taskWith([['Food'], ['Drinks'], ['Toys']])
}

/** 6 × 5 × 4 = 120 paths: shown as short lists, walked from the top. */
export function treeTask(): Task {
  const names = (count: number, of: string) => Array.from({ length: count }, (_, index) => `${of}${index + 1}`)
  return taskWith(
    names(6, 'A').flatMap((a) => names(5, `${a}B`).flatMap((b) => names(4, `${b}C`).map((c) => [a, b, c]))),
  )
}

export function promptFor(task: Task, texts: readonly string[]): Prompt {
  const items = texts.map((text, index) => ({ id: String(index + 1), segments: [text] }))
  const labels = task.labels.paths.map((path) => path.join(' > '))
  return renderPrompt(task, items, { labels, whole: true }, PROMPT_OPTIONS)
}

export const redact = redactor({ kinds: REDACTIONS, patterns: {} })

/** How items are asked where a test says nothing else: no audits, calls as large as they may be. */
export const ASKING = {
  prompt_tokens_max: 100_000,
  shortlist_mass: 1,
  shortlist_max: 20,
  call_faults_max: 1,
  call_disagreements_max: 1,
  call_audit_share: 0,
}

export const PROMPT_OPTIONS = { segment_chars_max: 600, output_tokens_max: 1_000, hash, redact }

export function openItem(index: number, text: string, shortlist: readonly Ranked[] = []): OpenItem {
  const source = { topic: 'fallback', partition: 0, offset: String(index), timestamp_ms: 0 }
  const item = { id: `products/0/${index}/0`, task: 'shop', entity: `e${index}`, segments: [text], source }
  return { item: { ...item, textHash: hash(text) }, shortlist }
}
