// Aligns the words of a query with the words of a product text: for each query word the best partner and how alike.
// Spelling only (stems, joined words, small typos, numbers); meaning is learned elsewhere. Never reads labels.
import type { Word } from './words.ts'

export interface Alignment {
  /** Likeness of each query word's best partner, in [0, 1]; 1 = same stem or same number with the same unit. */
  readonly likeness: Float64Array
  /** Position of that partner in the other text; -1 where nothing is alike. */
  readonly partner: Int32Array
}

/** Below this two words count as different. */
const ALIKE_MIN = 0.6

/**
 * Optimal string alignment distance (Damerau–Levenshtein without repeated edits), given up above `limit`.
 * Returns limit + 1 when it is larger.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let best = i
    for (let j = 1; j <= b.length; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1)
      let cost = Math.min(row[j - 1]! + 1, previous[j]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a.charCodeAt(i - 1) === b.charCodeAt(j - 2) && a.charCodeAt(i - 2) === b.charCodeAt(j - 1))
        cost = Math.min(cost, before[j - 2]! + 1)
      row.push(cost)
      if (cost < best) best = cost
    }
    if (best > limit) return limit + 1
    before = previous
    previous = row
  }
  return previous[b.length]!
}

/** How alike two different-stem words are by spelling, in [0, 1). */
function spelling(a: string, b: string): number {
  const short = a.length < b.length ? a : b
  const long = a.length < b.length ? b : a
  if (short.length < 4) return 0
  if (long.startsWith(short)) return 0.6 + (0.35 * short.length) / long.length
  if (short.length >= 4 && long.includes(short)) return 0.55 + (0.3 * short.length) / long.length
  const limit = short.length >= 8 ? 2 : 1
  const distance = editDistance(a, b, limit)
  return distance > limit ? 0 : 1 - distance / long.length
}

function numbers(a: Word, b: Word): number {
  if (a.value !== b.value) return 0
  if (a.unit === b.unit) return 1
  return a.unit === '' || b.unit === '' ? 0.8 : 0
}

/** For each word of `from` its best partner in `to`. */
export function align(from: readonly Word[], to: readonly Word[]): Alignment {
  const likeness = new Float64Array(from.length)
  const partner = new Int32Array(from.length).fill(-1)
  const at = new Map<string, number>()
  for (let j = to.length - 1; j >= 0; j--) at.set(to[j]!.stem, j)
  for (let i = 0; i < from.length; i++) {
    const word = from[i]!
    const same = at.get(word.stem)
    if (same !== undefined) {
      likeness[i] = 1
      partner[i] = same
      continue
    }
    for (let j = 0; j < to.length; j++) {
      const other = to[j]!
      let alike = 0
      if (word.kind === 'number') alike = other.kind === 'number' ? numbers(word, other) : 0
      else if (other.kind !== 'number') {
        alike = spelling(word.stem, other.stem)
        const next = to[j + 1]
        if (next && alike < 0.95 && word.text.length === other.text.length + next.text.length) {
          if (word.text.startsWith(other.text) && word.text.endsWith(next.text)) alike = 0.95
        }
      }
      if (alike > likeness[i]!) {
        likeness[i] = alike
        partner[i] = j
      }
    }
    if (likeness[i]! < ALIKE_MIN) {
      likeness[i] = 0
      partner[i] = -1
    }
  }
  joined(from, to, likeness, partner)
  return { likeness, partner }
}

/** "paint brush" in the query, "paintbrush" in the title: both query words match it. */
function joined(from: readonly Word[], to: readonly Word[], likeness: Float64Array, partner: Int32Array): void {
  for (let i = 0; i + 1 < from.length; i++) {
    if (likeness[i] === 1 && likeness[i + 1] === 1) continue
    const both = from[i]!.text + from[i + 1]!.text
    if (both.length < 4) continue
    const found = to.findIndex((word) => word.text === both || word.stem === both)
    if (found < 0) continue
    likeness[i] = likeness[i + 1] = Math.max(0.95, likeness[i]!)
    partner[i] = partner[i + 1] = found
  }
}
