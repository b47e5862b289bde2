// A (query, product) pair as hashed ids: which words are covered, which are missed and what stands there instead.
// Their weights are learned (term importance, pairs of words that mean the same or exclude each other).
import type { Pair } from './features.ts'
import { hash32 } from '../random.ts'

/** Buckets that ids fall into; a power of two. */
export const SPARSE_BUCKETS = 131_072
/** Ids of one pair; later ones are dropped. */
export const SPARSE_MAX = 96
/** Name of the hashing of this file; part of a model's contract. */
const SEED = 20_171

/** Distinct ids in [0, SPARSE_BUCKETS), at most SPARSE_MAX. */
export function sparse({ query, title, ahead, back }: Pair): number[] {
  const ids = new Set<number>()
  const add = (name: string): void => {
    if (ids.size < SPARSE_MAX) ids.add(hash32(name, SEED) & (SPARSE_BUCKETS - 1))
  }
  const q = query.text.words
  const t = title.text.words
  const head = t[title.text.head]?.stem ?? ''
  const queryHead = q[query.text.head]?.stem ?? ''
  const headKnown = title.text.head >= 0 && back.partner[title.text.head]! >= 0
  add(`h${headKnown ? '+' : '-'}${head}`)
  add(`H${query.text.head >= 0 && ahead.partner[query.text.head]! >= 0 ? '+' : '-'}${queryHead}`)
  add(`hh${queryHead}|${head}`)
  for (let i = 0; i < q.length; i++) {
    const missed = ahead.partner[i]! < 0
    add(`${missed ? '-' : '+'}${q[i]!.stem}`)
    if (missed) add(`-h${q[i]!.stem}|${head}`)
    if (i > 0) add(`b${ahead.partner[i - 1]! < 0 ? '-' : '+'}${missed ? '-' : '+'}${q[i - 1]!.stem}|${q[i]!.stem}`)
  }
  for (let j = 0; j < t.length; j++)
    if (back.partner[j]! < 0 && t[j]!.phrase === t[title.text.head]!.phrase) add(`x${t[j]!.stem}`)
  for (let i = 0; i < q.length; i++) {
    if (ahead.partner[i]! >= 0) continue
    for (let j = 0; j < t.length; j++) if (back.partner[j]! < 0) add(`${q[i]!.stem}*${t[j]!.stem}`)
  }
  return [...ids]
}
