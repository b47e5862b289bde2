// A (query, product) pair as numbers: the dense features of the pair kind, in a fixed order named by FEATURES.
// The order is part of a model's contract: changing it means a new FEATURES_VERSION and a new training.
import { common, trigrams } from './grams.ts'
import { align } from './match.ts'
import { MEANING, type Vectors, meaning } from './meaning.ts'
import { OVERLAP, overlap, rarity } from './overlap.ts'
import { ROLES, roles } from './roles.ts'
import type { Tables } from './tables.ts'
import { type Text, words } from './words.ts'

const CHARACTERS = [
  'queryLength',
  'textLength',
  'trigramsContained',
  'trigramsJaccard',
  'trigramsOfMissed',
  'gluedContained',
  'foreignQuery',
  'foreignText',
  'hasDescription',
  'missedInDescription',
  'missedInDescriptionRarity',
  'coveredWithDescription',
  'trigramsInDescription',
] as const

export const FEATURES: readonly string[] = [...OVERLAP, ...ROLES, ...CHARACTERS, ...MEANING]

/** One side of a pair, ready for matching. */
export interface Side {
  readonly text: Text
  readonly grams: Uint32Array
}

export function side(text: string): Side {
  const split = words(text)
  return { text: split, grams: trigrams(split) }
}

export interface Pair {
  readonly query: Side
  readonly title: Side
  readonly description: Side
  readonly ahead: ReturnType<typeof align>
  readonly back: ReturnType<typeof align>
}

export function pair(query: Side, title: Side, description: Side): Pair {
  const ahead = align(query.text.words, title.text.words)
  return { query, title, description, ahead, back: align(title.text.words, query.text.words) }
}

/** The dense features, FEATURES.length of them, all finite. */
export function features({ query, title, description, ahead, back }: Pair, tables: Tables, vectors: Vectors): number[] {
  return [
    ...overlap(query.text, title.text, ahead, back, tables),
    ...roles(query.text, title.text, ahead, back, tables),
    ...characters(query, title, description, ahead, tables),
    ...meaning(query.text, title.text, ahead, tables, vectors),
  ]
}

function characters(query: Side, title: Side, description: Side, ahead: Pair['ahead'], tables: Tables): number[] {
  const shared = common(query.grams, title.grams)
  const q = query.text
  const described = description.text.words.length > 0
  const stems = new Set(description.text.words.map((word) => word.stem))
  let missed = 0
  let found = 0
  let missedRarity = 0
  let foundRarity = 0
  let covered = 0
  let missedGrams = 0
  let missedGramsFound = 0
  for (let at = 0; at < q.words.length; at++) {
    const word = q.words[at]!
    if (ahead.partner[at]! >= 0) {
      covered += ahead.likeness[at]!
      continue
    }
    const own = trigrams({ ...q, words: [word] })
    missedGrams += own.length
    missedGramsFound += common(own, title.grams)
    const idf = rarity(word, tables)
    missed++
    missedRarity += idf
    if (stems.has(word.stem)) {
      found++
      foundRarity += idf
      covered++
    }
  }
  return [
    Math.min(q.glued.length, 60),
    Math.min(title.text.glued.length, 200),
    query.grams.length ? shared / query.grams.length : 0,
    shared / Math.max(1, query.grams.length + title.grams.length - shared),
    missedGrams ? missedGramsFound / missedGrams : -1,
    q.glued.length > 2 && title.text.glued.includes(q.glued) ? 1 : 0,
    q.foreign,
    title.text.foreign,
    described ? 1 : 0,
    missed ? found / missed : -1,
    missedRarity ? foundRarity / missedRarity : -1,
    q.words.length ? covered / q.words.length : 0,
    described && query.grams.length ? common(query.grams, description.grams) / query.grams.length : -1,
  ]
}
