// A stream of texts in which some came before, as they are or nearly so. Near ones are texts of the data itself that share
// enough trigrams; where those run out, a word is left out of an earlier text.
import { random } from '../../src/core/random.ts'
import { neighbours } from '../../src/core/similar/neighbours.ts'
import { signature } from '../../src/core/similar/signature.ts'
import { normalise } from '../../src/core/text/normalise.ts'
import { BANDING } from '../../src/tiers/similar.ts'

export interface LabelledText {
  readonly title: string
  readonly label: readonly string[]
}

export interface Repeats {
  readonly stream: readonly LabelledText[]
  readonly exact: number
  /** Of the data, and made by leaving a word out. */
  readonly near: number
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
  while (stream.length < count) {
    const chance = next()
    const earlier = stream[Math.floor(next() * stream.length)]
    if (earlier !== undefined && chance < exact) {
      stream.push(earlier)
      done.exact++
    } else if (earlier !== undefined && chance < exact + near) {
      const seen = stream.findLast((one) => twins.get(one)?.some((twin) => !used.has(twin)))
      const twin = seen && twins.get(seen)!.find((one) => !used.has(one))
      if (twin) used.add(twin)
      else done.made++
      stream.push(twin ?? shortened(earlier, next))
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

function shortened({ title, label }: LabelledText, next: () => number): LabelledText {
  const words = title.split(' ')
  words.splice(Math.floor(next() * words.length), 1)
  return { title: words.join(' ') || title, label }
}
