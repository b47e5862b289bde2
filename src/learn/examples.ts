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

/**
 * Examples of all rows; with a task, of its segments and with its label set, whether rows hold every label or not.
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
  const parsed: { readonly example: Example; readonly row: Row }[] = []
  let total = 0
  for await (const row of rows) {
    total++
    const example = parseTaxonomyRow(row.value, segments)
    if ('bad' in example) bad.add(example.bad, row)
    else if (known && !known.has(pathKey(example.label))) bad.add("have a label outside the task's label set", row)
    else parsed.push({ example, row })
  }
  const depth = commonest(parsed.map(({ example }) => example.label.length))
  const even = parsed.filter(({ example, row }) => {
    if (example.label.length === depth) return true
    bad.add(`have labels of another depth than ${depth}`, row)
    return false
  })
  const summary = bad.summary()
  if (bad.count > total * BAD_SHARE_MAX)
    throw new SluiceError('SL502', `${bad.count} of ${total} rows cannot be used: ${summary.join('; ')}`)
  const examples = even.map(({ example }) => example)
  const counts = Map.groupBy(examples, ({ label }) => pathKey(label))
  if (counts.size < 2)
    throw new SluiceError('SL502', `${examples.length} rows with ${counts.size} label: there is nothing to tell apart`)
  const single = [...counts.values()].filter((rows) => rows.length === 1).length
  const absent = task === undefined ? 0 : task.labels.paths.length - counts.size
  const warnings = [
    ...(bad.count > 0 ? [`${bad.count} of ${total} rows left out: ${summary.join('; ')}`] : []),
    ...(single > 0 ? [`${single} of ${counts.size} labels have one row: such a label is hardly ever answered`] : []),
    ...(absent > 0 ? [`${absent} labels of the task have no row: they are never answered`] : []),
  ]
  const used = task || examples.some(({ texts }) => texts[1] !== '') ? segments.length : 1
  return {
    examples:
      used === segments.length
        ? examples
        : examples.map(({ texts, label }) => ({ texts: texts.slice(0, used), label })),
    segments: segments.slice(0, used),
    labels: task?.labels ?? labelSet(examples.map(({ label }) => label)),
    warnings,
  }
}

export class BadRows {
  readonly #lines = new Map<string, Row[]>()
  count = 0

  add(why: string, row: Row): void {
    this.count++
    this.#lines.set(why, [...(this.#lines.get(why) ?? []).slice(0, LINES_NAMED_MAX), row])
  }

  summary(): string[] {
    return [...this.#lines].map(([why, rows]) => {
      const named = rows.slice(0, LINES_NAMED_MAX).map(({ file, line }) => `${file}:${line}`)
      return `${why}: ${named.join(', ')}${rows.length > LINES_NAMED_MAX ? ', …' : ''}`
    })
  }
}

function commonest(values: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0
}
