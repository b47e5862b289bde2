// Character trigrams of a text as a sorted list of hashed ids, for containment and likeness beyond whole words.
import type { Text } from './words.ts'

/** Sorted, distinct, of each word with a mark at both ends. */
export function trigrams(text: Text): Uint32Array {
  const ids: number[] = []
  for (const { text: word } of text.words) {
    const marked = `^${word}$`
    for (let at = 0; at + 3 <= marked.length; at++)
      ids.push((marked.charCodeAt(at) * 65_599 + marked.charCodeAt(at + 1)) * 257 + marked.charCodeAt(at + 2))
  }
  const sorted = Uint32Array.from(ids).sort()
  let kept = 0
  for (let at = 0; at < sorted.length; at++) if (at === 0 || sorted[at] !== sorted[at - 1]) sorted[kept++] = sorted[at]!
  return sorted.slice(0, kept)
}

/** Number of ids in both. */
export function common(a: Uint32Array, b: Uint32Array): number {
  let i = 0
  let j = 0
  let count = 0
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      count++
      i++
      j++
    } else if (a[i]! < b[j]!) i++
    else j++
  }
  return count
}
