// Features of how much of the query the product text covers, how rare the covered words are, and in what order.
// Numbers only, in the order of OVERLAP; each bounded (counts are capped), so that one odd text cannot blow up a model.
import { type Alignment } from './match.ts'
import { type Tables, bucket } from './tables.ts'
import type { Text, Word } from './words.ts'

export const OVERLAP = [
  'queryWords',
  'textWords',
  'covered',
  'coveredExactly',
  'coveredRarity',
  'coveredRarityExactly',
  'textCovered',
  'textCoveredRarity',
  'missed',
  'missedRarityMax',
  'missedRaritySum',
  'missedUnknown',
  'matchedRarityMax',
  'matchedRaritySum',
  'rarityMax',
  'rarityMean',
  'likenessMin',
  'likenessSecond',
  'first',
  'second',
  'last',
  'lastButOne',
  'adjacent',
  'inOrder',
  'span',
  'earliest',
  'allExact',
  'meanMatchedPosition',
] as const

export function rarity(word: Word, tables: Tables): number {
  return tables.idf[bucket(word.stem)]! / 255
}

/** `ahead` aligns query to text, `back` text to query. */
export function overlap(query: Text, text: Text, ahead: Alignment, back: Alignment, tables: Tables): number[] {
  const count = query.words.length
  const near = ahead.likeness
  const rare = query.words.map((word) => rarity(word, tables))
  let covered = 0
  let exact = 0
  let weight = 0
  let coveredWeight = 0
  let exactWeight = 0
  let missedMax = 0
  let missedSum = 0
  let missed = 0
  let unknown = 0
  let matchedMax = 0
  let rareMax = 0
  for (let at = 0; at < count; at++) {
    const likeness = near[at]!
    const idf = rare[at]!
    covered += likeness
    weight += idf
    coveredWeight += idf * likeness
    rareMax = Math.max(rareMax, idf)
    if (likeness === 1) {
      exact++
      exactWeight += idf
    }
    if (likeness > 0) matchedMax = Math.max(matchedMax, idf)
    else {
      missed++
      missedSum += idf
      missedMax = Math.max(missedMax, idf)
      if (idf === 1) unknown++ // never seen in any title: see tables.ts
    }
  }
  const reverse = covering(text, back, tables)
  const ranked = Array.from(near).sort((a, b) => a - b)
  const order = orderOf(ahead, text.words.length)
  return [
    Math.min(count, 12),
    Math.min(text.words.length, 40),
    count ? covered / count : 0,
    count ? exact / count : 0,
    weight ? coveredWeight / weight : 0,
    weight ? exactWeight / weight : 0,
    reverse.share,
    reverse.rarity,
    Math.min(missed, 8),
    missedMax,
    Math.min(missedSum, 6),
    Math.min(unknown, 4),
    matchedMax,
    Math.min(coveredWeight, 6),
    rareMax,
    count ? weight / count : 0,
    ranked[0] ?? 0,
    ranked[1] ?? ranked[0] ?? 0,
    near[0] ?? 0,
    near[1] ?? -1,
    near[count - 1] ?? 0,
    near[count - 2] ?? -1,
    order.adjacent,
    order.inOrder,
    order.span,
    order.earliest,
    count > 0 && exact === count ? 1 : 0,
    order.mean,
  ]
}

function covering(text: Text, back: Alignment, tables: Tables): { share: number; rarity: number } {
  let covered = 0
  let weight = 0
  let coveredWeight = 0
  for (let at = 0; at < text.words.length; at++) {
    const idf = rarity(text.words[at]!, tables)
    weight += idf
    coveredWeight += idf * back.likeness[at]!
    covered += back.likeness[at]!
  }
  return { share: covered / Math.max(1, text.words.length), rarity: weight ? coveredWeight / weight : 0 }
}

/** Share of neighbouring query words whose partners are neighbours / in order; extent and place of the partners. */
function orderOf(ahead: Alignment, length: number) {
  let pairs = 0
  let adjacent = 0
  let inOrder = 0
  let low = length
  let high = -1
  let sum = 0
  let matched = 0
  for (let at = 0; at < ahead.partner.length; at++) {
    const here = ahead.partner[at]!
    if (here >= 0) {
      matched++
      sum += here
      low = Math.min(low, here)
      high = Math.max(high, here)
    }
    if (at === 0) continue
    pairs++
    const before = ahead.partner[at - 1]!
    if (here < 0 || before < 0) continue
    if (here === before + 1 || here === before) adjacent++
    if (here >= before) inOrder++
  }
  return {
    adjacent: pairs ? adjacent / pairs : -1,
    inOrder: pairs ? inOrder / pairs : -1,
    span: high < 0 ? -1 : matched / (high - low + 1),
    earliest: high < 0 ? -1 : low / Math.max(1, length),
    mean: matched ? sum / matched / Math.max(1, length) : -1,
  }
}
