// What makes two texts that are spelled alike mean different things: numbers, sizes, packs, model codes, negations,
// colours. A similar text is no answer where one of these differs and the task's label depends on it.
import { words } from '../pair/words.ts'

/** Kinds of facts that can clash; which of them count is a task's configuration. */
export const FACTS = ['numbers', 'packs', 'sizes', 'codes', 'negations', 'colours'] as const
export type Fact = (typeof FACTS)[number]

/** What a text states, by kind, each as one string in a canonical order; empty where it states nothing. */
export type Facts = Readonly<Record<Fact, string>>

const SIZES = new Set(
  'xs s m l xl xxl xxxl 2xl 3xl 4xl small medium large big mini maxi jumbo king queen twin single double kids adult baby junior'.split(
    ' ',
  ),
)
const COLOURS = new Set(
  'black white red blue green yellow orange purple violet pink brown grey gray silver gold golden beige navy maroon cream ivory turquoise teal magenta cyan khaki olive bronze copper negro blanco rojo azul verde amarillo rosa gris marron schwarz weiss rot blau grun gelb noir blanc rouge bleu vert jaune'.split(
    ' ',
  ),
)
const NEGATIONS = new Set('without no non not sin less free zero sans ohne senza zonder'.split(' '))

export function facts(text: string): Facts {
  const found: Record<Fact, string[]> = { numbers: [], packs: [], sizes: [], codes: [], negations: [], colours: [] }
  for (const word of words(text).words) {
    if (word.kind === 'number') found[word.unit === 'ct' ? 'packs' : 'numbers'].push(word.text)
    else if (word.kind === 'code') found[SIZES.has(word.text) ? 'sizes' : 'codes'].push(word.text)
    else if (SIZES.has(word.text)) found.sizes.push(word.text)
    else if (COLOURS.has(word.text)) found.colours.push(word.text)
    else if (NEGATIONS.has(word.text)) found.negations.push(word.text)
  }
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

/** The first kind in which the two differ, also where only one of them states anything; undefined where none does. */
export function clash(a: Facts, b: Facts, vetoes: readonly Fact[]): Fact | undefined {
  return vetoes.find((fact) => a[fact] !== b[fact])
}
