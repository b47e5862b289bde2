// From rows of any labelled file to the one sample that every contestant is asked.
// Which items are chosen depends on their texts, the seed and nothing else: not on the order of the file.
import { pathIndex, pathKey } from '../labels.ts'
import { hash32 } from '../random.ts'
import { readField, render } from '../template.ts'
import type { LabelPath } from '../labels.ts'
import type { Hash } from '../prompt.ts'
import type { Task } from '../task.ts'

export interface SampleItem {
  /** 16 hex digits over the texts. */
  readonly digest: string
  /** One text per segment of the task, as it came. */
  readonly segments: readonly string[]
  readonly gold: LabelPath
}

/** What the prompts and the rows of a benchmark need of a task. */
export type Rubric = Pick<Task, 'name' | 'each' | 'segments' | 'labels' | 'labelsDigest' | 'instruction'>

/**
 * Reads rows: an event of the task's topic with its `label` (or one in each element of `each`), or a training row, whose
 * one element stands under `product`. A part that cannot be used comes back as the reason; it never holds a text.
 */
export function sampleReader(rubric: Rubric, hash: Hash): (row: unknown) => (SampleItem | { readonly bad: string })[] {
  const known = pathIndex(rubric.labels)
  return (row) =>
    elementsOf(rubric.each, row).map(({ record, label }) => {
      const gold = typeof label === 'string' ? [label] : label
      if (!isPath(gold)) return { bad: 'have no label' }
      if (!known.has(pathKey(gold))) return { bad: 'have a label that is not in the label set' }
      const segments: string[] = []
      for (const { text } of rubric.segments) {
        const { text: shown, missing } = render(text, record)
        if (missing !== undefined) return { bad: `have no ${missing}` }
        segments.push(shown)
      }
      if (segments.every((text) => text.trim() === '')) return { bad: 'have no text' }
      return { digest: hash(JSON.stringify(segments)).slice(0, 16), segments, gold }
    })
}

function elementsOf(each: string | undefined, row: unknown): { readonly record: unknown; readonly label: unknown }[] {
  const label = readField(row, ['label'])
  if (each === undefined) return [{ record: row, label }]
  const within = (element: unknown) => ({ ...(row as object), [each]: element })
  const elements = readField(row, [each])
  if (Array.isArray(elements))
    return elements.map((element: unknown) => ({ record: within(element), label: readField(element, ['label']) }))
  const product = readField(row, ['product'])
  return [{ record: product === undefined ? row : within(product), label }]
}

function isPath(label: unknown): label is LabelPath {
  return Array.isArray(label) && label.length > 0 && label.every((name) => typeof name === 'string')
}

export interface SampleOptions {
  /** Items at most. */
  readonly size: number
  readonly seed: number
  /** Each label has its share of the items, to the nearest whole number; else the draw is plain. */
  readonly stratified: boolean
}

/** Of several items with one text the first is kept. In hash order: a larger plain sample begins with the smaller one. */
export function drawSample(items: readonly SampleItem[], { size, seed, stratified }: SampleOptions): SampleItem[] {
  const rank = (item: SampleItem) => hash32(item.digest, seed)
  const before = (a: SampleItem, b: SampleItem) => rank(a) - rank(b) || (a.digest < b.digest ? -1 : 1)
  const different = [...new Map(items.toReversed().map((item) => [item.digest, item])).values()].sort(before)
  if (!stratified || different.length <= size) return different.slice(0, size)
  const strata = [...Map.groupBy(different, ({ gold }) => pathKey(gold)).values()]
  const shares = strata.map((stratum) => (size * stratum.length) / different.length)
  const counts = shares.map(Math.floor)
  const left = size - counts.reduce((sum, count) => sum + count, 0)
  const byRemainder = shares.map((_, index) => index).sort((a, b) => (shares[b]! % 1) - (shares[a]! % 1) || a - b)
  for (const index of byRemainder.slice(0, left)) counts[index]!++
  return strata.flatMap((stratum, index) => stratum.slice(0, counts[index])).sort(before)
}

/** 16 hex digits over the texts and labels of the sample. */
export function sampleDigest(items: readonly SampleItem[], hash: Hash): string {
  return hash(JSON.stringify(items.map(({ digest, gold }) => [digest, gold]))).slice(0, 16)
}
