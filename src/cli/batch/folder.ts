// The folder of `sluice batch`: the items as they were when it was begun, what was answered, how far the batches are, and
// the labels that came of it. Everything that a later run needs to ask the very same questions.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readLines } from '../../adapters/files/rows.ts'
import { writeLines } from '../../adapters/files/whole.ts'
import { SluiceError } from '../../core/error.ts'
import { intake } from '../../core/intake.ts'
import { calibrated } from '../../core/llm/shortlist.ts'
import { isSuspicious } from '../../core/llm/suspicion.ts'
import { mustStay } from '../../core/local-only.ts'
import { segmentsOf, sourceValue } from '../../engine/outcomes.ts'
import { textHash } from '../../tiers/exact.ts'
import type { Ranked } from '../../core/answer.ts'
import type { IntakeLimits } from '../../core/intake.ts'
import type { Item } from '../../core/item.ts'
import type { Rounds } from '../../core/llm/batch.ts'
import type { Question } from '../../core/llm/asking.ts'
import type { Task } from '../../core/task.ts'
import type { Model } from '../../ports/model.ts'

export interface Entry {
  readonly item: Item
  readonly shortlist: readonly Ranked[]
}

export const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32)

/** Texts given to the local model at once. */
const CHUNK = 4_096

/** The items of files of events of the task's topic. Throws SL502, naming file and line, at the first that is none. */
export async function readItems(task: Task, files: readonly string[], limits: IntakeLimits): Promise<Item[]> {
  const items: Item[] = []
  for (const [partition, file] of files.entries())
    for await (const { number, value } of readLines(file)) {
      const source = { topic: basename(file), partition, offset: String(number), timestamp_ms: 0 }
      for (const one of intake(task, source, value, textHash, limits)) {
        if ('kind' in one)
          throw new SluiceError(
            'SL502',
            `${file}, line ${number}: ${[one.reason, one.detail].filter(Boolean).join(' ')}`,
          )
        items.push(one)
      }
    }
  if (items.length === 0) throw new SluiceError('SL502', `${files.join(', ')}: no items`)
  return items
}

/** With the local model's short lists, where there is a model. */
export async function shortlisted(
  items: readonly Item[],
  model: Model | undefined,
  shortlist: number,
  onProgress: (done: number) => void,
): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let from = 0; from < items.length; from += CHUNK) {
    const chunk = items.slice(from, from + CHUNK)
    const predictions = await model?.classify(
      chunk.map(({ segments }) => segments),
      { shortlist },
    )
    chunk.forEach((item, at) => {
      const { shortlist: ranked = [], probabilities = [] } = predictions?.[at] ?? {}
      entries.push({ item, shortlist: calibrated(ranked, probabilities.at(-1) ?? 0) })
    })
    onProgress(entries.length)
  }
  return entries
}

const itemsFile = (dir: string) => join(dir, 'items.jsonl')

/** Keeps the items for later runs: with another model their short lists, and so the questions, would be others. */
export function writeEntries(dir: string, entries: readonly Entry[]): Promise<void> {
  return writeLines(
    itemsFile(dir),
    entries.map((entry) => JSON.stringify(entry)),
  )
}

export async function readEntries(dir: string): Promise<Entry[]> {
  if (!existsSync(itemsFile(dir)))
    throw new SluiceError(
      'SL102',
      `${itemsFile(dir)}: begin with \`sluice batch submit --task NAME --data FILE --out ${dir}\``,
    )
  const entries: Entry[] = []
  for await (const { value } of readLines(itemsFile(dir))) entries.push(value as Entry)
  return entries
}

/** Equal texts are one question; those whose text must not leave are none. */
export function questionsOf(
  task: Task,
  entries: readonly Entry[],
): { questions: Question[]; at: ReadonlyMap<string, number> } {
  const byText = new Map(
    entries.filter(({ item }) => !mustStay(task, item)).map((entry) => [entry.item.textHash, entry]),
  )
  const questions = [...byText.values()].map(({ item: { segments }, shortlist }) => ({
    segments,
    shortlist,
    suspicious: isSuspicious(segments),
  }))
  return { questions, at: new Map([...byText.keys()].map((textHash, index) => [textHash, index])) }
}

export interface Outcome {
  readonly labels: number
  readonly reviews: number
  readonly waiting: number
  readonly costUsd: number
}

/** Writes labels.jsonl (as the topic `labels` holds them) and reviews.jsonl: what is known by now. */
export async function writeOutcome(
  dir: string,
  task: Task,
  entries: readonly Entry[],
  { asking, spent }: Rounds<unknown>,
  by: { readonly model: string; readonly digest: string },
): Promise<Outcome> {
  const { at } = questionsOf(task, entries)
  const told = new Set<number>()
  const [labels, reviews]: string[][] = [[], []]
  for (const { item, shortlist } of entries) {
    const { id, entity, source } = item
    const review = (why: string) => reviews!.push(JSON.stringify({ item: id, task: task.name, entity, why, shortlist }))
    if (mustStay(task, item)) {
      review('local_only')
      continue
    }
    const index = at.get(item.textHash)!
    const verdict = asking.standings[index]!.verdict
    if (verdict === undefined) continue
    // The first of its text bears the cost.
    const first = !told.has(index)
    told.add(index)
    const { inputTokens, outputTokens, costUsd } = spent[index]!
    const cost = first ? { inputTokens, outputTokens, costUsd } : { inputTokens: 0, outputTokens: 0, costUsd: 0 }
    if (verdict.kind === 'review') review(verdict.why)
    else {
      const who = { by: 'llm', who: by.model, digest: by.digest }
      const written = { segments: segmentsOf(task, item), label: verdict.label, ...who, ...cost }
      const label = { item: id, task: task.name, entity, ...written, source: sourceValue(source) }
      labels!.push(JSON.stringify(label))
    }
  }
  await writeLines(join(dir, 'labels.jsonl'), labels!)
  await writeLines(join(dir, 'reviews.jsonl'), reviews!)
  return {
    labels: labels!.length,
    reviews: reviews!.length,
    waiting: entries.length - labels!.length - reviews!.length,
    costUsd: spent.reduce((sum, one) => sum + one.costUsd, 0),
  }
}
