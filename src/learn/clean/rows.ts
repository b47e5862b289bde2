// From rows of files to what cleaning needs of them: examples, and beside each where it comes from, who labelled it,
// which rows say nearly the same. In an order of its own, so that the order of the files changes nothing.
import { nearDuplicates } from '../../core/cleaning/near-duplicates.ts'
import { pathKey } from '../../core/labels.ts'
import { parseTaxonomyRow, taxonomyExamples } from '../examples.ts'
import type { RowFacts } from '../../core/cleaning/decide.ts'
import type { Example, Examples, Row } from '../examples.ts'

/** Everything row by row. A key is `file:line`. */
export interface CleanRows extends Examples {
  readonly facts: RowFacts
}

interface Origin {
  readonly key: string
  /** What the row says its source is, else its file. */
  readonly source: string
  readonly human: boolean
  readonly levels: number
}

/** Throws SL502 as `taxonomyExamples` does. */
export async function cleanRows(rows: AsyncIterable<Row> | Iterable<Row>): Promise<CleanRows> {
  const origins: Origin[] = []
  async function* noted(): AsyncGenerator<Row> {
    for await (const row of rows) {
      const parsed = parseTaxonomyRow(row.value)
      if (!('bad' in parsed)) origins.push(originOf(row, parsed.label.length))
      yield row
    }
  }
  const data = await taxonomyExamples(noted())
  const kept = origins.filter(({ levels }) => levels === data.labels.levels)
  const joined = data.examples.map((example, index) => ({ example, origin: kept[index]!, text: textOf(example) }))
  const order = (row: (typeof joined)[number]) => `${row.text}\u001f${pathKey(row.example.label)}`
  const sorted = joined.map((row) => ({ ...row, order: order(row) })).sort((a, b) => compare(a, b))
  const examples = sorted.map(({ example }) => example)
  const texts = sorted.map(({ text }) => text)
  return {
    ...data,
    examples,
    facts: {
      keys: sorted.map(({ origin }) => origin.key),
      human: Uint8Array.from(sorted, ({ origin }) => (origin.human ? 1 : 0)),
      twoLabels: carryTwoLabels(texts, examples),
      sources: sorted.map(({ origin }) => origin.source),
      clusters: nearDuplicates(examples.map(({ texts: [title] }) => title!)),
    },
  }
}

function originOf({ file, line, value }: Row, levels: number): Origin {
  const { source, by } = value as { source?: unknown; by?: unknown }
  return {
    key: `${file}:${line}`,
    source: typeof source === 'string' && source !== '' ? source : file,
    human: by === 'human',
    levels,
  }
}

const textOf = ({ texts }: Example) => texts.join('\u001f')

function compare(a: { order: string; origin: Origin }, b: { order: string; origin: Origin }): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1
  return a.origin.key < b.origin.key ? -1 : 1
}

function carryTwoLabels(texts: readonly string[], examples: readonly Example[]): Uint8Array {
  const first = new Map<string, string>()
  const torn = new Set<string>()
  texts.forEach((text, row) => {
    const label = pathKey(examples[row]!.label)
    if ((first.get(text) ?? label) !== label) torn.add(text)
    first.set(text, label)
  })
  return Uint8Array.from(texts, (text) => (torn.has(text) ? 1 : 0))
}
