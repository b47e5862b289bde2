// From rows of a file to examples a text model can learn from: normalised texts and a label path.
// Bad rows are counted by reason, with line numbers; a few are left out, many are an error. Reads nothing itself.
import { SluiceError } from '../core/error.ts'
import { labelSet, pathIndex, pathKey } from '../core/labels.ts'
import { normalise } from '../core/text/normalise.ts'
import type { LabelPath, LabelSet } from '../core/labels.ts'
import type { Task } from '../core/task.ts'

export interface Row {
  readonly file: string
  readonly line: number
  readonly value: unknown
}

export interface Example {
  /** Normalised, one per segment. */
  readonly texts: readonly string[]
  readonly label: LabelPath
}

export interface Examples {
  readonly examples: readonly Example[]
  readonly segments: readonly string[]
  readonly labels: LabelSet
  /** What a person should know of the data: counts and line numbers, never texts. */
  readonly warnings: readonly string[]
}

/** Segments of a taxonomy row; a row without a brand has an empty one. */
const TAXONOMY_SEGMENTS = ['title', 'brand'] as const

/** Bad rows up to this share are left out with a warning; more are an error. */
const BAD_SHARE_MAX = 0.01
const LINES_NAMED_MAX = 5

type Parsed = Example | { readonly bad: string }

/** One row {"title","brand"?,"label":[…]}, or with the segments of another task; a label may also be one text. */
export function parseTaxonomyRow(value: unknown, segments: readonly string[] = TAXONOMY_SEGMENTS): Parsed {
  if (typeof value !== 'object' || value === null) return { bad: 'are no objects' }
  const row = value as Record<string, unknown>
  const { label } = row
  const path = typeof label === 'string' ? [label] : label
  if (!Array.isArray(path) || path.length === 0 || !path.every((name) => typeof name === 'string' && name !== ''))
    return { bad: 'have no label (a list of names, l1 first)' }
  if (path.some((name: string) => name.includes(' > '))) return { bad: 'have " > " in a label, which separates levels' }
  const texts = segments.map((name) => (typeof row[name] === 'string' ? normalise(row[name]) : ''))
  if (texts[0] === '') return { bad: `have no ${segments[0]}` }
  return { texts, label: path as string[] }
}

interface Label {
  readonly path: LabelPath
  readonly first: Row
  rows: number
}

/**
 * Examples of all rows; with a task, of its segments and with its label set, whether rows hold every label or not.
 * Rows are let go as they are read: their texts stay, and one copy of each label path.
 * Throws SluiceError SL502, naming files and lines, where more than one row in a hundred cannot be used or fewer than
 * two labels are left.
 */
export async function taxonomyExamples(
  rows: AsyncIterable<Row> | Iterable<Row>,
  task?: Pick<Task, 'labels' | 'segments'>,
): Promise<Examples> {
  const segments = task?.segments.map(({ name }) => name) ?? TAXONOMY_SEGMENTS
  const known = task && pathIndex(task.labels)
  const bad = new BadRows()
  const odd = new BadRows()
  const repeated = repeatedIds()
  const labels = new Map<string, Label>()
  const parsed: Example[] = []
  let total = 0
  for await (const row of rows) {
    total++
    const example = parseTaxonomyRow(row.value, segments)
    if ('bad' in example) {
      bad.add(example.bad, row)
      continue
    }
    const key = pathKey(example.label)
    if (known && !known.has(key)) {
      bad.add("have a label outside the task's label set", row)
      continue
    }
    if (repeated(row)) odd.add('have the id of an earlier row of their file', row)
    if (example.texts.some((text) => text.includes(REPLACEMENT))) odd.add(DAMAGED, row)
    const label = labels.get(key) ?? { path: example.label, rows: 0, first: row }
    if (label.rows++ === 0) labels.set(key, label)
    parsed.push({ texts: example.texts, label: label.path })
  }
  const depth = commonest(labels.values())
  const used = [...labels.values()].filter((label) => {
    if (label.path.length !== depth) bad.add(`have labels of another depth than ${depth}`, label.first, label.rows)
    return label.path.length === depth
  })
  bad.refuseMany(total)
  odd.refuseMany(total, DAMAGED)
  const even = bad.count > 0 ? parsed.filter(({ label }) => label.length === depth) : parsed
  if (used.length < 2)
    throw new SluiceError('SL502', `${even.length} rows with ${used.length} label: there is nothing to tell apart`)
  const width = task || even.some(({ texts }) => texts[1] !== '') ? segments.length : 1
  return {
    examples:
      width === segments.length ? even : even.map(({ texts, label }) => ({ texts: texts.slice(0, width), label })),
    segments: segments.slice(0, width),
    labels: task?.labels ?? labelSet(used.map(({ path }) => path)),
    warnings: [
      ...(bad.count > 0 ? [`${bad.count} of ${total} rows left out: ${bad.summary().join('; ')}`] : []),
      ...(odd.count > 0 ? [`rows kept that ${odd.summary().join('; ')}`] : []),
      ...rareLabels(used, task?.labels),
    ],
  }
}

function rareLabels(used: readonly Label[], set: LabelSet | undefined): string[] {
  const single = new BadRows()
  for (const { rows, first } of used) if (rows === 1) single.add('such a label is hardly ever answered', first)
  const absent = (set?.paths.length ?? used.length) - used.length
  return [
    ...(single.count > 0 ? [`${single.count} of ${used.length} labels have one row: ${single.summary().join()}`] : []),
    ...(absent > 0 ? [`${absent} labels of the task have no row: they are never answered`] : []),
  ]
}

/** Says of each row whether an earlier one of its file has its id; rows without an id never do. */
function repeatedIds(): (row: Row) => boolean {
  const seen = new Set<unknown>()
  let file: string | undefined
  return (row) => {
    if (row.file !== file) seen.clear()
    file = row.file
    const { id } = row.value as { readonly id?: unknown }
    if (id === undefined || id === null) return false
    const before = seen.size
    return seen.add(id).size === before
  }
}

/** What decoders put for bytes that are no text. */
const REPLACEMENT = '\uFFFD'
const DAMAGED = 'hold U+FFFD: a file in another encoding than UTF-8, or texts damaged earlier'

/** Rows that something is wrong with, by what it is: how many, and where the first few are. */
export class BadRows {
  readonly #byReason = new Map<string, { count: number; readonly first: Row[] }>()
  count = 0

  /** `count` rows, of which `row` is the first. */
  add(why: string, row: Row, count = 1): void {
    this.count += count
    const known = this.#byReason.get(why) ?? { count: 0, first: [] }
    this.#byReason.set(why, known)
    known.count += count
    if (known.first.length < LINES_NAMED_MAX) known.first.push(row)
  }

  /** Throws SL502 where more of `total` rows than a few are wrong, for any or this one reason. */
  refuseMany(total: number, why?: string): void {
    const count = why === undefined ? this.count : (this.#byReason.get(why)?.count ?? 0)
    if (count > total * BAD_SHARE_MAX)
      throw new SluiceError('SL502', `${count} of ${total} rows cannot be used: ${this.summary(why).join('; ')}`)
  }

  summary(only?: string): string[] {
    return [...this.#byReason]
      .filter(([why]) => only === undefined || why === only)
      .map(([why, { count, first }]) => {
        const named = first.map(({ file, line }) => `${file}:${line}`)
        const many = this.#byReason.size > 1 ? ` (${count})` : ''
        return `${why}${many}: ${named.join(', ')}${count > first.length ? ', …' : ''}`
      })
  }
}

/** The depth that most rows have. */
function commonest(labels: Iterable<Label>): number {
  const counts = new Map<number, number>()
  for (const { path, rows } of labels) counts.set(path.length, (counts.get(path.length) ?? 0) + rows)
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0
}
