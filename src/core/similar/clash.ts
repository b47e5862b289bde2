// What makes two texts that are spelled alike mean different things: numbers, sizes, packs, model codes, negations,
// colours. A similar text is no answer where one of these differs and the task's label depends on it.
import { firstWords } from '../pair/words.ts'
import type { Word } from '../pair/words.ts'

/** Kinds of facts that can clash; which of them count is a task's configuration. */
export const FACTS = ['numbers', 'packs', 'sizes', 'codes', 'negations', 'colours'] as const
export type Fact = (typeof FACTS)[number]

/** What a text states, by kind, each as one string in a canonical order; empty where it states nothing. */
export type Facts = Readonly<Record<Fact, string>>

/** Words looked at: more than a text within the normaliser's bounds has. */
const WORDS_MAX = 8_192

const SIZES = new Set(
  'xs s m l xl xxl xxxl 2xl 3xl 4xl small medium large big mini maxi jumbo king queen twin single double kids adult baby junior'.split(
    ' ',
  ),
)
/** In English, Spanish, German and French, in every gender; without accents. */
const COLOURS = new Set(
  [
    'black white red blue green yellow orange purple violet pink brown grey gray silver gold golden beige navy maroon',
    'cream ivory turquoise teal magenta cyan khaki olive bronze copper',
    'negro negra blanco blanca rojo roja azul verde amarillo amarilla naranja morado morada rosa gris marron',
    'schwarz weiss rot blau grun gelb grau braun lila silber',
    'noir noire blanc blanche rouge bleu bleue vert verte jaune grise brun brune',
  ].flatMap((names) => names.split(' ')),
)
/** Negate the word after them, and the word before them. */
const NEGATE_NEXT = new Set('without no non not sin zero sans ohne senza zonder'.split(' '))
const NEGATE_LAST = new Set(['free', 'less'])

/** Units that are multiples of another: what to multiply by to get there. */
const MULTIPLES: ReadonlyMap<string, readonly [base: string, factor: number]> = new Map([
  ['kg', ['g', 1_000]],
  ['mg', ['g', 0.001]],
  ['l', ['ml', 1_000]],
  ['m', ['mm', 1_000]],
  ['cm', ['mm', 10]],
  ['kw', ['w', 1_000]],
  ['tb', ['gb', 1_000]],
])

/** "pack of 6", and the 6 of "6 x 330 ml": the number of pieces, which `words` reads as "6 ct". */
const PACK_OF = /\b(?:pack|set|box|case|bundle) of (\d{1,4})\b/gu
const TIMES = /\b(\d{1,4}) ?x ?(?=\d{1,5}(?:[.,]\d+)? ?[a-z]+\b)/gu

export function facts(text: string): Facts {
  const found: Record<Fact, string[]> = { numbers: [], packs: [], sizes: [], codes: [], negations: [], colours: [] }
  const stated = firstWords(
    text.replaceAll('ß', 'ss').replace(PACK_OF, '$1 ct').replace(TIMES, '$1 ct '),
    WORDS_MAX,
  ).words
  stated.forEach((word, at) => {
    if (word.kind === 'number') found[word.unit === 'ct' ? 'packs' : 'numbers'].push(amount(word))
    else if (SIZES.has(word.text)) found.sizes.push(word.text)
    else if (word.kind === 'code') found.codes.push(word.text)
    else if (COLOURS.has(word.text)) found.colours.push(word.text)
    else if (NEGATE_NEXT.has(word.text)) found.negations.push(`not ${stated[at + 1]?.stem}`)
    else if (NEGATE_LAST.has(word.text)) found.negations.push(`not ${stated[at - 1]?.stem}`)
  })
  const one = (fact: Fact) => [...new Set(found[fact])].sort().join(' ')
  return {
    numbers: one('numbers'),
    packs: one('packs'),
    sizes: one('sizes'),
    codes: one('codes'),
    negations: one('negations'),
    colours: one('colours'),
  }
}

function amount({ value, unit }: Word): string {
  const [base, factor] = MULTIPLES.get(unit) ?? [unit, 1]
  return `${Math.round(value * factor * 1e6) / 1e6}${base}`
}

/** The first kind in which the two differ, also where only one of them states anything; undefined where none does. */
export function clash(a: Facts, b: Facts, vetoes: readonly Fact[]): Fact | undefined {
  return vetoes.find((fact) => a[fact] !== b[fact])
}
