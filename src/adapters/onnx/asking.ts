// What the kinds share that ask a dear model only about what a cheap one is not sure of. Runs inside a thread.
import { SluiceError } from '../../core/error.ts'
import type { Answered, KindParts } from './open-kind.ts'

/** An input that the cheap model left open, and its distribution [paths]. */
export interface Unsure {
  /** Its position among the inputs. */
  readonly row: number
  readonly said: Float32Array
  readonly factors: Float32Array | undefined
}

/** Where the cheap model gives its best path less than this, its answer does not stand. Throws SluiceError SL501. */
export function askOf({ manifest }: KindParts): number {
  if (manifest.ask === undefined) throw new SluiceError('SL501', 'the manifest does not say when to ask further')
  return manifest.ask
}

/**
 * The cheap answers that stand, as they come; then what `dear` says of the others, by their positions in its list. Which
 * paths are weighed by what in choosing, the cheap model says for all.
 */
export async function* asking(
  cheap: AsyncIterable<Answered>,
  { ask, paths }: { readonly ask: number; readonly paths: number },
  dear: (unsure: readonly Unsure[]) => AsyncIterable<Answered>,
): AsyncIterable<Answered> {
  const unsure: Unsure[] = []
  for await (const { rows, values, factors } of cheap) {
    const own = (at: number) => values.subarray(at * paths, (at + 1) * paths)
    const weighed = (at: number) => factors?.subarray(at * paths, (at + 1) * paths)
    const sure: number[] = []
    rows.forEach((row, at) => {
      if (most(own(at)) >= ask) sure.push(at)
      else unsure.push({ row, said: own(at).slice(), factors: weighed(at)?.slice() })
    })
    const answered = Int32Array.from(sure, (at) => rows[at]!)
    if (sure.length > 0)
      yield { rows: answered, values: joined(sure.map(own)), factors: joinedFactors(sure.map(weighed)) }
  }
  for await (const { rows, values } of dear(unsure)) {
    const asked = Array.from(rows, (at) => unsure[at]!)
    const factors = joinedFactors(asked.map((one) => one.factors))
    yield { rows: Int32Array.from(asked, ({ row }) => row), values, factors }
  }
}

/** What the cheap model said of these, one after the other: [rows × paths]. */
export function saidOf(unsure: readonly Unsure[], rows: Int32Array): Float32Array {
  return joined(Array.from(rows, (at) => unsure[at]!.said))
}

function joined(rows: readonly Float32Array[]): Float32Array {
  const width = rows[0]?.length ?? 0
  const out = new Float32Array(rows.length * width)
  rows.forEach((row, at) => out.set(row, at * width))
  return out
}

/** Undefined where a row has none. */
function joinedFactors(rows: readonly (Float32Array | undefined)[]): Float32Array | undefined {
  const known = rows.filter((row) => row !== undefined)
  return known.length < rows.length ? undefined : joined(known)
}

/** NaN where a value is not a number: such a row is never sure. */
function most(values: Float32Array): number {
  let best = -Infinity
  for (const value of values) best = Math.max(best, value)
  return best
}
