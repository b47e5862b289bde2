// Character trigrams of a text as a set, and how much two sets share: the measure of the similarity cache.
// Words and padding are those of PostgreSQL's pg_trgm, so that its thresholds mean the same here.

/** Distinct trigrams, each as 32 mixed bits, in ascending order. */
export type Grams = Int32Array

/** More than two segments of the longest kind have (core/text/normalise.ts); what comes after is not looked at. */
const GRAMS_MAX = 8_192
const SPACE = 32

const found = new Int32Array(GRAMS_MAX)

/**
 * The trigrams of every word of a normalised text (core/text/normalise.ts), each word with two blanks before it and one
 * behind it. A word is a run of letters, digits and marks. Empty where there is no word.
 */
export function grams(text: string): Grams {
  let count = 0
  let inWord = false
  let first = SPACE
  let second = SPACE
  for (let at = 0; at <= text.length && count < GRAMS_MAX; at++) {
    const code = at < text.length ? text.charCodeAt(at) : SPACE
    if (isWordCode(code)) {
      if (!inWord) first = second = SPACE
      inWord = true
      found[count++] = mixed(first, second, code)
      first = second
      second = code
    } else if (inWord) {
      inWord = false
      found[count++] = mixed(first, second, SPACE)
    }
  }
  return distinct(found.slice(0, count).sort())
}

/** Shared trigrams over all trigrams of both, in [0, 1]; 0 where both are empty. */
export function jaccard(a: Grams, b: Grams): number {
  let i = 0
  let j = 0
  let shared = 0
  while (i < a.length && j < b.length) {
    const x = a[i]!
    const y = b[j]!
    if (x === y) shared++
    if (x <= y) i++
    if (y <= x) j++
  }
  return shared === 0 ? 0 : shared / (a.length + b.length - shared)
}

function distinct(sorted: Grams): Grams {
  let kept = 0
  for (let at = 0; at < sorted.length; at++) if (at === 0 || sorted[at] !== sorted[at - 1]) sorted[kept++] = sorted[at]!
  return sorted.slice(0, kept)
}

const WORD = /[\p{L}\p{N}\p{M}\p{Cs}]/u

function isWordCode(code: number): boolean {
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90)
  return WORD.test(String.fromCharCode(code))
}

/** The finisher of MurmurHash3 over three code units. */
function mixed(a: number, b: number, c: number): number {
  let hash = Math.imul(a, 0x9e37_79b1) ^ Math.imul(b + 1, 0x85eb_ca77) ^ Math.imul(c + 2, 0xc2b2_ae3d)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return hash ^ (hash >>> 16)
}
