// Rows of a file as a transformer learns from them: a pair of texts or one text, a class, a weight; a tenth of the
// queries (titles) is held back to judge by. Reads nothing itself.
import { SluiceError } from '../../core/error.ts'
import { PAIR_SEGMENTS } from '../../core/pair/encode.ts'
import { hash32, random, shuffle } from '../../core/random.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { type Row, taxonomyExamples } from '../examples.ts'
import { type PairExamples, relevanceExamples } from '../pair/examples.ts'
import type { LabelSet } from '../../core/labels.ts'
import type { Task } from '../../core/task.ts'
import type { TokenRow } from './fit.ts'
import type { Tokens } from './batches.ts'

export interface TextRow {
  readonly texts: readonly string[]
  readonly label: number
  /** See PairRow. */
  readonly shares?: Float32Array | undefined
  readonly weight: number
  readonly source: number
}

export interface TransformerExamples {
  readonly rows: readonly TextRow[]
  readonly labels: LabelSet
  readonly segments: readonly string[]
  /** Whether a row is a pair: query and title. */
  readonly pair: boolean
  readonly sources: readonly string[]
  readonly warnings: readonly string[]
}

/** Throws SluiceError SL502 where the rows cannot be used; see taxonomyExamples and relevanceExamples. */
export async function transformerExamples(
  rows: AsyncIterable<Row> | Iterable<Row>,
  task?: Pick<Task, 'labels' | 'segments'>,
): Promise<TransformerExamples> {
  const all = await Array.fromAsync(rows)
  const first = all[0]?.value
  if (typeof first === 'object' && first !== null && 'query' in first) {
    return pairTexts(relevanceExamples(all))
  }
  const { examples, labels, segments, warnings } = await taxonomyExamples(all, task)
  const index = pathIndex(labels)
  const read = examples.map(({ texts, label }) => ({ texts, label: index.get(pathKey(label))!, weight: 1, source: 0 }))
  return { rows: read, labels, segments, pair: false, sources: ['all rows'], warnings }
}

/** Query and title of each pair, in their order. */
export function pairTexts({ rows, labels, sources, warnings }: PairExamples): TransformerExamples {
  const read = rows.map(({ query, title, ...row }) => ({ ...row, texts: [query, title] }))
  return { rows: read, labels, segments: PAIR_SEGMENTS, pair: true, sources, warnings }
}

export interface Parts {
  readonly training: readonly TokenRow[]
  readonly validation: readonly TokenRow[]
  /** Where the validation rows stood among all. */
  readonly held: Int32Array
  /** Of the validation rows. */
  readonly sources: Int32Array
  readonly halves: Uint8Array
}

const HELD_SHARE = 10

/** Throws SL502 where one of the parts would be empty. */
export function parts(
  { rows, pair }: TransformerExamples,
  tokenize: (first: string, second?: string) => Tokens,
  { rowsMax, seed }: { readonly rowsMax: number; readonly seed: number },
): Parts {
  const hash = (row: TextRow) => hash32(row.texts[0]!.trim().toLowerCase(), 4711)
  const tokens = ({ texts, label, shares, weight }: TextRow): TokenRow => {
    const read = pair ? tokenize(texts[0]!, texts[1]!) : tokenize(texts.filter((text) => text !== '').join(' '))
    return { ...read, label, shares, weight }
  }
  const isHeld = (row: TextRow) => hash(row) % HELD_SHARE === 0
  const held = rows.filter(isHeld)
  const learned = sample(
    rows.filter((row) => !isHeld(row)),
    rowsMax,
    seed,
  )
  if (held.length === 0 || learned.length === 0)
    throw new SluiceError(
      'SL502',
      `the rows hold too few different ${pair ? 'queries' : 'titles'}: a tenth is held back`,
    )
  return {
    training: learned.map(tokens),
    validation: held.map(tokens),
    held: Int32Array.from(rows.keys()).filter((at) => isHeld(rows[at]!)),
    sources: Int32Array.from(held, ({ source }) => source),
    halves: Uint8Array.from(held, (row) => Math.floor(hash(row) / HELD_SHARE) % 2),
  }
}

function sample<T>(rows: readonly T[], count: number, seed: number): readonly T[] {
  if (rows.length <= count) return rows
  const order = Int32Array.from(rows.keys())
  shuffle(order, random(seed))
  return Array.from(order.slice(0, count).sort(), (at) => rows[at]!)
}
