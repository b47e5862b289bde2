// Decisions of a pair stack against the prior: its mixture is surer than the pair model alone, so that a source has other
// offsets, where enough rows are held back to choose them on.
import { fitOffsetsBySource, logFactors } from '../pair/decisions.ts'
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
  const all = Int32Array.from(labels.keys())
  const byHalf = [0, 1].map((half) => {
    const others = all.filter((row) => halves[row] !== half)
    return fitOffsetsBySource(scored, said, others, { least: SOURCE_ROWS_MIN / 2, usual })
  })
  const factors = new Float32Array(scored.scores.length)
  for (const row of all) logFactors(said, byHalf[halves[row]!]!, row, factors, row * classes)
  return { offsets: fitOffsetsBySource(scored, said, all, { least: SOURCE_ROWS_MIN, usual }), factors }
}
