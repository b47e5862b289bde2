// A stream of texts in which some came before, as they are or nearly so. Near ones are other rows of the data that share
// enough trigrams, with their own labels; where those run out, an earlier text is altered a little.
import { random } from '../../src/core/random.ts'
import { neighbours } from '../../src/core/similar/neighbours.ts'
import { signature, similarity } from '../../src/core/similar/signature.ts'
import { normalise } from '../../src/core/text/normalise.ts'
import { BANDING } from '../../src/tiers/similar.ts'

export interface LabelledText {
  readonly title: string
  readonly label: readonly string[]
}

export interface Repeats {
  readonly stream: readonly LabelledText[]
  readonly exact: number
  readonly near: number
  /** Of the near ones, those that are no rows of the data. */
  readonly made: number
}

const NEAR_MIN = 0.8

/** `count` texts, of which the shares `exact` and `near` repeat an earlier one. `rows`: in random order. */
export function withRepeats(
  rows: readonly LabelledText[],
  count: number,
  exact: number,
  near: number,
  seed: number,
): Repeats {
  const next = random(seed)
  const twins = twinsOf(rows)
  const used = new Set<LabelledText>()
  const stream: LabelledText[] = []
  const done = { exact: 0, near: 0, made: 0 }
  let at = 0
  const fresh = () => {
    while (used.has(rows[at]!)) at++
    return rows[at]!
  }
  /** Of the first text from there on that has one left. */
  const twinOf = (texts: readonly LabelledText[], from: number) => {
    for (let place = from; place < texts.length; place++) {
      const twin = twins.get(texts[place]!)?.find((one) => !used.has(one))
      if (twin) return twin
    }
    return undefined
  }
  while (stream.length < count) {
    const chance = next()
    const earlier = stream[Math.floor(next() * stream.length)]
    if (earlier !== undefined && chance < exact) {
      stream.push(earlier)
      done.exact++
    } else if (earlier !== undefined && chance < exact + near) {
      const from = Math.floor(next() * stream.length)
      const twin = twinOf(stream, from) ?? twinOf(stream, 0)
      if (twin) used.add(twin)
      const one = twin ?? altered(stream, next)
      if (one === undefined) continue
      if (!twin) done.made++
      stream.push(one)
      done.near++
    } else {
      const one = fresh()
      used.add(one)
      stream.push(one)
    }
  }
  return { stream, ...done }
}

/** Other rows that share enough trigrams, by row. */
function twinsOf(rows: readonly LabelledText[]): Map<LabelledText, LabelledText[]> {
  const known = neighbours<LabelledText>({ ...BANDING, entries_max: rows.length, bytes_max: 2 ** 40 })
  const twins = new Map<LabelledText, LabelledText[]>()
  for (const row of rows) {
    const signed = signature([normalise(row.title)], 'together')
    for (const { value, similarity } of known.find(signed, NEAR_MIN))
      if (similarity < 1)
        for (const [a, b] of [
          [row, value],
          [value, row],
        ] as const)
          twins.set(a, [...(twins.get(a) ?? []), b])
    known.add(row.title, signed, row)
  }
  return twins
}

const ENDINGS = ['new', 'pack', '1', 'x', 'set']
const TRIES = 20

/** An earlier text with a word or a letter less, or a word more, that still shares enough trigrams. */
function altered(stream: readonly LabelledText[], next: () => number): LabelledText | undefined {
  const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)]!
  for (let tries = 0; tries < TRIES; tries++) {
    const { title, label } = pick(stream)
    const words = title.split(' ')
    const word = Math.floor(next() * words.length)
    const other = pick([
      words.toSpliced(word, 1).join(' '),
      words.toSpliced(word, 1, words[word]!.slice(1)).join(' '),
      `${title} ${pick(ENDINGS)}`,
    ])
    const alike = similarity(signature([normalise(title)], 'together'), signature([normalise(other)], 'together'))
    if (alike >= NEAR_MIN && alike < 1) return { title: other, label }
  }
  return undefined
}
