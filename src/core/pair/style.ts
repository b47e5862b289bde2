// How a pair's texts are written, not whether they fit: lengths, punctuation, the words a shop always uses. A pair model
// infers from it which of its training sources judges pairs like this one. Of the query it reads lengths only.
import { hash32 } from '../random.ts'

export const STYLE = [
  'queryLength',
  'queryWords',
  'queryDigits',
  'queryBeyondAscii',
  'titleLength',
  'titleWords',
  'titleDigits',
  'titleCommas',
  'titleBrackets',
  'titleDashes',
  'titleSlashes',
  'titleStops',
  'titleQuotes',
  'titleColons',
  'titleAmpersands',
  'titleWith',
  'titleAbbreviatedUnits',
  'titleBeyondAscii',
  'titleOpensAgainSoon',
  'titleOpensAgain',
  'titleRepeats',
  'descriptionLength',
  'descriptionWords',
  'descriptionCommas',
  'descriptionStops',
  'descriptionBangs',
  'descriptionBrackets',
  'descriptionDashes',
  'descriptionColons',
  'descriptionBeyondAscii',
  'descriptionOpensAsTitle',
  'titleInDescription',
] as const

/** Buckets that the ids of the words fall into; a power of two. */
export const STYLE_BUCKETS = 65_536
/** Words of the title / of the description that are looked at. */
const TITLE_MAX = 48
const DESCRIPTION_MAX = 48
/** Code units of the description whose punctuation counts. */
const DESCRIPTION_READ = 400
/** Name of the hashing of this file; part of a model's contract. */
const SEED = 40_961

const WORD = /\p{L}+/gu
const TOKEN = /\p{L}+|[^\p{L}\d\s]+/gu

/** Numbers in the order of STYLE, all finite. Texts are normalised already. */
export function style(query: string, title: string, description: string): number[] {
  const start = description.slice(0, DESCRIPTION_READ)
  const q = counts(query)
  const t = counts(title)
  const d = counts(start)
  const again = repeats(title, start)
  return [
    Math.min(query.length, 100),
    q.words,
    q.digits,
    q.beyond,
    Math.min(title.length, 400),
    t.words,
    Math.min(t.digits, 60),
    t.commas,
    t.brackets,
    t.dashes,
    t.slashes,
    t.stops,
    t.quotes,
    t.colons,
    t.ampersands,
    times(title, 'w/'),
    times(title, ' in.') + times(title, ' ft.'),
    t.beyond,
    again.soon,
    again.ever,
    again.words,
    Math.min(description.length, 2000),
    d.words,
    d.commas,
    d.stops,
    d.bangs,
    d.brackets,
    d.dashes,
    d.colons,
    d.beyond,
    again.opening,
    again.shared,
  ]
}

/**
 * A shop that puts the brand before a title that has it already repeats its first word; another opens the description
 * with the title. Words of letters only.
 */
function repeats(title: string, description: string) {
  const words: readonly string[] = title.match(WORD) ?? []
  const [first] = words
  const told: readonly string[] = description.match(WORD) ?? []
  const distinct = new Set(words)
  const known = new Set(told)
  let shared = 0
  for (const word of distinct) if (known.has(word)) shared++
  return {
    soon: words.indexOf(first!, 1) > 0 && words.indexOf(first!, 1) < 5 ? 1 : 0,
    ever: words.indexOf(first!, 1) > 0 ? 1 : 0,
    words: words.length - distinct.size,
    opening: told.length > 0 && told[0] === first ? 1 : 0,
    shared: told.length > 0 && distinct.size > 0 ? shared / distinct.size : -1,
  }
}

/** Distinct ids in [0, STYLE_BUCKETS) of the words and marks, and of each with the one before. */
export function styleIds(title: string, description: string): number[] {
  const ids = new Set<number>()
  const add = (text: string, prefix: string, max: number): void => {
    let left = max
    let before = ''
    for (const [token] of text.matchAll(TOKEN)) {
      if (left-- === 0) break
      ids.add(hash32(prefix + token, SEED) & (STYLE_BUCKETS - 1))
      if (before !== '') ids.add(hash32(`${prefix}${before} ${token}`, SEED) & (STYLE_BUCKETS - 1))
      before = token
    }
  }
  add(title, 't', TITLE_MAX)
  add(description.slice(0, DESCRIPTION_READ), 'd', DESCRIPTION_MAX)
  return [...ids]
}

function counts(text: string) {
  const out = {
    words: text === '' ? 0 : times(text, ' ') + 1,
    dashes: times(text, ' - '),
    digits: 0,
    commas: 0,
    brackets: 0,
    slashes: 0,
    stops: 0,
    quotes: 0,
    colons: 0,
    ampersands: 0,
    bangs: 0,
    beyond: 0,
  }
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 48 && code <= 57) out.digits++
    else if (code === 44) out.commas++
    else if (code === 40) out.brackets++
    else if (code === 47) out.slashes++
    else if (code === 46) out.stops++
    else if (code === 34 || code === 39) out.quotes++
    else if (code === 58 || code === 59 || code === 124) out.colons++
    else if (code === 38) out.ampersands++
    else if (code === 33) out.bangs++
    else if (code > 127) out.beyond++
  }
  return out
}

function times(text: string, part: string): number {
  let count = 0
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++
  return count
}
