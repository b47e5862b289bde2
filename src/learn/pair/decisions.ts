// Decisions against the prior: an offset a class and source, added to log probabilities (logit adjustment, Menon et al.,
// ICLR 2021). One class is rare in one source and usual in another, so offsets of all together suit none of them.
import { fitOffsets } from './calibrate.ts'
import type { Scored } from './calibrate.ts'

/** A row a source: what is added to the log probability of each class. */
export type Offsets = readonly (readonly number[])[]

/** What the sources say of each row. */
export interface Judgements {
  /** rows × sources × classes: P(source | style) · P(class | pair, source). */
  readonly parts: Float32Array
  /** Source of each row. */
  readonly group: Int32Array
  readonly sources: number
}

/** Keeps a class that no source gives a probability from being divided by nothing. */
export const LEAST = 1e-12

/** Each source's offsets are chosen on its own rows; those of a source of fewer than `least` rows are `usual`, else 0. */
export function fitOffsetsBySource(
  scored: Scored,
  { group, sources }: Pick<Judgements, 'group' | 'sources'>,
  rows: Int32Array,
  { least = 1, usual }: { readonly least?: number; readonly usual?: Offsets } = {},
): Offsets {
  return Array.from({ length: sources }, (_, source) => {
    const own = rows.filter((row) => group[row] === source)
    if (own.length >= least) return fitOffsets(scored, own)
    return usual?.[source] ?? Array.from({ length: scored.classes }, () => 0)
  })
}

/** By the name of the file that is the source, for people: `files` as fitting gives them. */
export function offsetsByName(
  names: readonly string[],
  files: readonly number[],
  offsets: Offsets,
): Record<string, readonly number[]> {
  return Object.fromEntries(offsets.map((own, at) => [names[files[at]!]!, own]))
}

/**
 * ln of what a row's classes are weighed by [classes], written to `out` at `to`: the mean of e^offset over the sources, by
 * their parts in the class. What the graph gives as `factors`.
 */
export function logFactors(
  { parts, sources }: Judgements,
  offsets: Offsets,
  row: number,
  out: Float32Array,
  to: number,
): void {
  const classes = offsets[0]!.length
  for (let c = 0; c < classes; c++) {
    let whole = LEAST
    let weighed = LEAST
    for (let source = 0; source < sources; source++) {
      const part = parts[(row * sources + source) * classes + c]!
      whole += part
      weighed += part * Math.exp(offsets[source]![c]!)
    }
    out[to + c] = Math.log(weighed / whole)
  }
}
