// Features of which words play which part: head nouns, brands, accessories ("for", "replacement"), attributes that clash.
// Word lists here are few and general; what matters beyond them is learned. Numbers only, in the order of ROLES.
import type { Alignment } from './match.ts'
import { type Tables, bucket } from './tables.ts'
import type { Text, Word } from './words.ts'

export const ROLES = [
  'queryHeadMatched',
  'queryHeadIsTextHead',
  'queryHeadDistance',
  'textHeadCovered',
  'lastIsTextHead',
  'headWeightMissed',
  'headWeightMatched',
  'headPhraseCovered',
  'matchedInFirstPhrase',
  'matchedAfterFor',
  'queryFor',
  'textFor',
  'forOnlyInText',
  'accessoryOnlyInText',
  'accessoryOnlyInQuery',
  'accessoryHead',
  'bundleOnlyInText',
  'brandMissed',
  'brandMatched',
  'firstWordCovered',
  'firstTwoCovered',
  'brandClash',
  'numbersInQuery',
  'numbersAgree',
  'numbersClash',
  'numbersMissed',
  'numbersInText',
  'codesInQuery',
  'codesAgree',
  'codesClash',
  'coloursAgree',
  'coloursClash',
  'coloursMissed',
  'audienceAgree',
  'audienceClash',
  'negationDiffers',
] as const

const list = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const ACCESSORY = list(
  'replacement accessory accessori part kit case cover holder mount bracket adapter adaptor charger cabl cord filter refill cartridg bag pouch protector strap stand blad batteri lid knob handl trim screw cleaner funda cargador soporte recambio',
)
const BUNDLE = list('kit set bundl pack combo lot collection assortment')
const COLOUR = list(
  'black white red blu green yellow orang purpl pink brown grey gray silver gold beig navy chrom bronz nickel brass copper ivory almond turquois teal negro blanco rojo azul verd',
)
const AUDIENCE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    women: 'women woman ladi lady female girl mujer',
    men: 'men man male boy gent hombre',
    child: 'kid child children toddler baby infant youth nino',
  }).flatMap(([group, names]) => names.split(' ').map((name) => [name, group] as const)),
)

/** `ahead` aligns query to text, `back` text to query. */
export function roles(query: Text, text: Text, ahead: Alignment, back: Alignment, tables: Tables): number[] {
  return [
    ...heads(query, text, ahead, back, tables),
    ...brands(query, ahead, back, tables),
    ...attributes(query, text, ahead),
  ]
}

function heads(query: Text, text: Text, ahead: Alignment, back: Alignment, tables: Tables): number[] {
  const queryHead = query.head
  const headPartner = queryHead < 0 ? -1 : ahead.partner[queryHead]!
  let missed = 0
  let matched = 0
  let inFirst = 0
  let afterFor = 0
  let partners = 0
  for (let at = 0; at < query.words.length; at++) {
    const weight = tables.head[bucket(query.words[at]!.stem)]! / 255
    const partner = ahead.partner[at]!
    if (partner < 0) missed = Math.max(missed, weight)
    else {
      matched = Math.max(matched, weight)
      partners++
      if (text.words[partner]!.phrase === text.words[text.head]!.phrase) inFirst++
      if (text.words[partner]!.afterFor) afterFor++
    }
  }
  const start = text.head < 0 ? 0 : Math.max(0, text.head - 2)
  let phrase = 0
  for (let at = start; at <= text.head; at++) phrase += back.likeness[at]!
  const last = query.words.length - 1
  const has = (words: readonly Word[], set: ReadonlySet<string>): boolean => words.some((word) => set.has(word.stem))
  const accessoryText = has(text.words, ACCESSORY)
  const accessoryQuery = has(query.words, ACCESSORY)
  const textHead = text.words[text.head]
  return [
    queryHead < 0 ? 0 : ahead.likeness[queryHead]!,
    headPartner >= 0 && headPartner === text.head ? 1 : 0,
    headPartner < 0 ? -9 : Math.max(-8, Math.min(8, headPartner - text.head)),
    text.head < 0 ? 0 : back.likeness[text.head]!,
    last >= 0 && ahead.partner[last] === text.head ? 1 : 0,
    missed,
    matched,
    text.head < 0 ? 0 : phrase / (text.head - start + 1),
    partners ? inFirst / partners : -1,
    partners ? afterFor / partners : -1,
    query.hasFor ? 1 : 0,
    text.hasFor ? 1 : 0,
    text.hasFor && !query.hasFor ? 1 : 0,
    accessoryText && !accessoryQuery ? 1 : 0,
    accessoryQuery && !accessoryText ? 1 : 0,
    textHead && ACCESSORY.has(textHead.stem) && !accessoryQuery ? 1 : 0,
    has(text.words, BUNDLE) && !has(query.words, BUNDLE) ? 1 : 0,
  ]
}

function brands(query: Text, ahead: Alignment, back: Alignment, tables: Tables): number[] {
  let missed = 0
  let matched = 0
  for (let at = 0; at < query.words.length; at++) {
    const weight = tables.first[bucket(query.words[at]!.stem)]! / 255
    if (ahead.partner[at]! < 0) missed = Math.max(missed, weight)
    else matched = Math.max(matched, weight)
  }
  const first = back.likeness[0] ?? 0
  return [missed, matched, first, (first + (back.likeness[1] ?? 0)) / 2, missed > 0.5 && first === 0 ? 1 : 0]
}

function attributes(query: Text, text: Text, ahead: Alignment): number[] {
  let numbers = 0
  let agree = 0
  let clash = 0
  let codes = 0
  let codesAgree = 0
  let colours = 0
  let coloursMissed = 0
  const audienceQuery = new Set<string>()
  const units = new Set(text.words.filter((word) => word.kind === 'number').map((word) => word.unit))
  for (let at = 0; at < query.words.length; at++) {
    const word = query.words[at]!
    const matched = ahead.partner[at]! >= 0
    if (word.kind === 'number') {
      numbers++
      if (matched) agree++
      else if (units.has(word.unit)) clash++
    } else if (word.kind === 'code') {
      codes++
      if (matched) codesAgree++
    } else if (COLOUR.has(word.stem)) {
      if (matched) colours++
      else coloursMissed++
    }
    const group = AUDIENCE.get(word.stem)
    if (group) audienceQuery.add(group)
  }
  let numbersInText = 0
  let codesInText = 0
  let coloursInText = 0
  const audienceText = new Set<string>()
  for (const word of text.words) {
    if (word.kind === 'number') numbersInText++
    else if (word.kind === 'code') codesInText++
    else if (COLOUR.has(word.stem)) coloursInText++
    const group = AUDIENCE.get(word.stem)
    if (group) audienceText.add(group)
  }
  const shared = [...audienceQuery].filter((group) => audienceText.has(group)).length
  return [
    Math.min(numbers, 4),
    Math.min(agree, 4),
    Math.min(clash, 4),
    Math.min(numbers - agree, 4),
    Math.min(numbersInText, 6),
    Math.min(codes, 3),
    Math.min(codesAgree, 3),
    codes > codesAgree && codesInText > 0 ? 1 : 0,
    colours ? 1 : 0,
    coloursMissed && coloursInText ? 1 : 0,
    coloursMissed ? 1 : 0,
    shared ? 1 : 0,
    audienceQuery.size && audienceText.size && !shared ? 1 : 0,
    query.negated === text.negated ? 0 : query.negated ? 1 : -1,
  ]
}
