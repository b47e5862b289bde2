// Decisions of a pair stack against the prior: its mixture is surer than the pair model alone, so that a source has other
// offsets, where enough rows are held back to choose them on.
import { fitOffsets } from '../pair/calibrate.ts'
import { logFactors } from '../pair/decisions.ts'
import type { Scored } from '../pair/calibrate.ts'
import type { Judgements, Offsets } from '../pair/decisions.ts'

/** A source of which fewer rows are held back keeps the offsets by which the pair model alone decides. */
export const SOURCE_ROWS_MIN = 1000

export interface Decisions {
  /** Chosen on all rows. */
  readonly offsets: Offsets
  /** See logFactors; of each half of the rows, by offsets that were chosen on the other half: [rows × classes]. */
  readonly factors: Float32Array
}

/** `usual`: the pair model's offsets; `halves`: one of two for each row. */
export function decisions(scored: Scored, said: Judgements, usual: Offsets, halves: Uint8Array): Decisions {
  const { labels, classes } = scored
  const offsetsOf = (rows: Int32Array, least: number): Offsets =>
    usual.map((known, source) => {
      const own = rows.filter((row) => said.group[row] === source)
      return own.length < least ? known : fitOffsets(scored, own)
    })
  const all = Int32Array.from(labels.keys())
  const byHalf = [0, 1].map((half) =>
    offsetsOf(
      all.filter((row) => halves[row] !== half),
      SOURCE_ROWS_MIN / 2,
    ),
  )
  const factors = new Float32Array(scored.scores.length)
  for (const row of all) logFactors(said, byHalf[halves[row]!]!, row, factors, row * classes)
  return { offsets: offsetsOf(all, SOURCE_ROWS_MIN), factors }
}
