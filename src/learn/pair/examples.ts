// From rows of a file to pairs a relevance model can learn from: normalised texts and a class.
// Bad rows are named by file and line; a few are left out, many are an error. Reads nothing itself.
import { SluiceError } from '../../core/error.ts'
import { type LabelSet, labelSet, pathIndex } from '../../core/labels.ts'
import { normalise } from '../../core/text/normalise.ts'
import { BadRows, type Example, type Row } from '../examples.ts'
import { gradeShares } from './grades.ts'
import { type PairRow, FOLDS, foldOf } from './rows.ts'

export interface PairExamples {
  readonly rows: readonly PairRow[]
  /** Names of the files; `source` of a row is a position here. */
  readonly sources: readonly string[]
  readonly labels: LabelSet
  readonly warnings: readonly string[]
}

/** A source that is this many times smaller than the largest weighs its cube root as much a row, up to the limit. */
const WEIGHT_MAX = 4

export interface PairExample extends Example {
  /** From which the label was cut, where people gave one. */
  readonly grade?: number
}

/**
 * One row {"query","product":{"title","brand"?,"description"?},"label","grade"?}: texts [query, brand and title,
 * description].
 */
export function parseRelevanceRow(value: unknown): PairExample | { readonly bad: string } {
  if (typeof value !== 'object' || value === null) return { bad: 'are no objects' }
  const { query, product, label, grade } = value as Record<string, unknown>
  if (typeof query !== 'string' || normalise(query) === '') return { bad: 'have no query' }
  if (typeof product !== 'object' || product === null) return { bad: 'have no product' }
  const { title, brand, description } = product as Record<string, unknown>
  if (typeof title !== 'string' || normalise(title) === '') return { bad: 'have no product title' }
  const path = Array.isArray(label) ? label : [label]
  if (path.length !== 1 || typeof path[0] !== 'string' || path[0] === '') return { bad: 'have no label (one name)' }
  const named = typeof brand === 'string' ? `${brand} ${title}` : title
  const texts = [query, named, typeof description === 'string' ? description : ''].map(normalise)
  if (grade === undefined || grade === null) return { texts, label: path as string[] }
  if (typeof grade !== 'number' || !Number.isFinite(grade)) return { bad: 'have a grade that is no number' }
  return { texts, label: path as string[], grade }
}

/**
 * Pairs of all rows; with a label set, of its labels, whether rows hold all or not. Throws SluiceError SL502, naming
 * files and lines, where more than one row in a hundred cannot be used, fewer than two labels are left, or the queries
 * are too few to hold some back.
 */
export function relevanceExamples(rows: readonly Row[], set?: LabelSet): PairExamples {
  const known = set && pathIndex(set)
  const bad = new BadRows()
  const parsed: { readonly example: PairExample; readonly file: string }[] = []
  for (const row of rows) {
    const example = parseRelevanceRow(row.value)
    if ('bad' in example) bad.add(example.bad, row)
    else if (known && !known.has(example.label[0]!)) bad.add("have a label outside the task's label set", row)
    else parsed.push({ example, file: row.file })
  }
  bad.refuseMany(rows.length)
  const names = new Set(parsed.map(({ example }) => example.label[0]!))
  if (names.size < 2)
    throw new SluiceError('SL502', `${parsed.length} rows with ${names.size} label: there is nothing to tell apart`)
  const labels = set ?? labelSet([...names].map((name) => [name]))
  const folds = Map.groupBy(parsed, ({ example }) => foldOf(example.texts[0]!))
  if (folds.size < FOLDS)
    throw new SluiceError('SL502', 'the rows hold too few different queries: some are held back to measure with')
  const index = pathIndex(labels)
  const sources = [...new Set(parsed.map(({ file }) => file))]
  const weights = sourceWeights(sources.map((source) => parsed.filter(({ file }) => file === source).length))
  const position = new Map(sources.map((source, at) => [source, at]))
  const shares = sources.map((source) =>
    sharesOf(
      parsed.flatMap(({ example, file }) => (file === source ? [example] : [])),
      index,
    ),
  )
  return {
    rows: parsed.map(({ example, file }) => {
      const source = position.get(file)!
      const [query, title, description] = example.texts as [string, string, string]
      const label = index.get(example.label[0]!)!
      const graded = shares[source]!.get(example)
      return { query, title, description, label, source, weight: weights[source]!, ...(graded && { shares: graded }) }
    }),
    sources,
    labels,
    warnings: bad.count > 0 ? [`${bad.count} of ${rows.length} rows left out: ${bad.summary().join('; ')}`] : [],
  }
}

function sourceWeights(counts: readonly number[]): number[] {
  const largest = Math.max(...counts)
  return counts.map((count) => Math.min(WEIGHT_MAX, Math.cbrt(largest / count)))
}

/** Of the rows of one source that have a grade. */
function sharesOf(
  examples: readonly PairExample[],
  index: ReadonlyMap<string, number>,
): Map<PairExample, Float32Array> {
  const graded = examples.filter(({ grade }) => grade !== undefined)
  const rows = graded.map(({ grade, label }) => ({ grade: grade!, label: index.get(label[0]!)! }))
  const shares = gradeShares(rows, index.size)
  return new Map(graded.flatMap((example, at) => (shares ? [[example, shares[at]!]] : [])))
}
