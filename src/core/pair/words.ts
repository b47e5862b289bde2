// The words of a query or of a product text, with what matching needs: stem, number value, unit, marks between words.
// Pure and language-light: no dictionary beyond a few function words; must never throw on any text.

export interface Word {
  /** Lower case, accents removed; numbers in canonical form with their unit ("0.5in"). */
  readonly text: string
  /** What equal words share: a light stem, or the canonical number. */
  readonly stem: string
  readonly kind: 'word' | 'number' | 'code'
  /** Numbers only: value and canonical unit ('' where none is written). */
  readonly value: number
  readonly unit: string
  /** Index of the phrase the word stands in; a comma, dash, bracket, "with", "for" or "in" opens the next one. */
  readonly phrase: number
  /** True where the word stands after a "for", "fits" or "compatible with". */
  readonly afterFor: boolean
}

export interface Text {
  readonly words: readonly Word[]
  /** Position in `words` of the head noun: the last plain word of the first phrase that has one; -1 without words. */
  readonly head: number
  /** "without", "no", "non", "free". */
  readonly negated: boolean
  readonly hasFor: boolean
  /** All letters and digits, nothing between. */
  readonly glued: string
  /** Share of letters outside Latin script, in [0, 1]. */
  readonly foreign: number
}

/** Words beyond this many are not looked at: a limit on the work of one text. */
const WORDS_MAX = 64

const STOP = new Set(
  'a an and the of to on by at or is it its your my me from de la el los las y o del con en un una que les le des et du por'.split(
    ' ',
  ),
)
const BREAK = new Set(['with', 'in', 'w', 'con', 'featuring', 'includes', 'including', 'that', 'from', 'en'])
const FOR = new Set(['for', 'fits', 'fit', 'compatible', 'para', 'suits', 'replaces'])
const NEGATION = new Set(['without', 'no', 'non', 'not', 'sin', 'less', 'free'])

const UNITS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    in: 'in inch inches',
    ft: 'ft foot feet',
    yd: 'yd yard yards',
    mm: 'mm millimeter',
    cm: 'cm centimeter',
    m: 'm meter meters metre',
    v: 'v volt volts',
    w: 'w watt watts',
    kw: 'kw',
    a: 'a amp amps',
    mah: 'mah',
    hp: 'hp horsepower',
    btu: 'btu btus',
    gal: 'gal gallon gallons',
    qt: 'qt quart quarts',
    oz: 'oz ounce ounces floz',
    lb: 'lb lbs pound pounds',
    kg: 'kg kilo',
    g: 'g gram grams gr',
    mg: 'mg',
    ml: 'ml',
    l: 'l liter liters litre litres lt',
    gb: 'gb',
    tb: 'tb',
    ct: 'ct count pk pack packs pcs pc piece pieces',
    ga: 'ga gauge',
    deg: 'deg degree degrees',
    sqft: 'sqft',
    cuft: 'cuft',
    gpm: 'gpm',
    grit: 'grit',
    th: 'st nd rd th',
    k: 'k',
    hz: 'hz mhz ghz',
    yr: 'year years yr',
    light: 'light lights lt',
    speed: 'speed',
    mp: 'mp',
  }).flatMap(([unit, names]) => names.split(' ').map((name) => [name, unit] as const)),
)

const TOKEN =
  /\d+(?:[.,/]\d+)*(?:-\d+\/\d+)?(?![\p{L}\d])|\d+\.\d+[a-z]+|[\p{L}\p{M}\d]+(?:['’][\p{L}]+)?|[,;:|()[\]–—"″′']|\s-|-\s/gu
const CJK = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/u
const DIGIT = /\d/u
const MARK = /\p{M}+/gu

/** Light English and Spanish plural and participle stemming; numbers and short words are left alone. */
export function stem(word: string): string {
  if (word.length < 4) return word
  let base = word
  if (base.endsWith("'s") || base.endsWith('’s')) base = base.slice(0, -2)
  if (base.endsWith('ies') && base.length > 4) return base.slice(0, -3) + 'y'
  if (/(?:s|x|z|ch|sh)es$/u.test(base)) return base.slice(0, -2)
  if (base.endsWith('s') && !base.endsWith('ss') && !base.endsWith('us')) base = base.slice(0, -1)
  if (base.endsWith('ing') && base.length > 5) base = undouble(base.slice(0, -3))
  else if (base.endsWith('ed') && base.length > 4) base = undouble(base.slice(0, -2))
  if (base.endsWith('e') && base.length > 3) base = base.slice(0, -1)
  return base
}

function undouble(base: string): string {
  const last = base.at(-1)
  return last === base.at(-2) && last !== 'l' && last !== 's' ? base.slice(0, -1) : base
}

/** "1-1/2" 1.5, "3/4" .75, "1,000" 1000, "2.5" 2.5; NaN where it is none of these. */
function numberValue(text: string): number {
  const mixed = /^(\d+)-(\d+)\/(\d+)$/u.exec(text)
  if (mixed) return Number(mixed[1]) + Number(mixed[2]) / Number(mixed[3])
  const fraction = /^(\d+)\/(\d+)$/u.exec(text)
  if (fraction) return Number(fraction[1]) / Number(fraction[2])
  return Number(text.replace(/,(?=\d{3})/gu, '').replace(',', '.'))
}

/** Splits one text into words; at most 64 are kept. Never throws. */
export function words(text: string): Text {
  return firstWords(text, WORDS_MAX)
}

/** Splits one text into words, the first `words_max` of it. Never throws. */
export function firstWords(text: string, words_max: number): Text {
  const lower = text.normalize('NFKD').replace(MARK, '').normalize('NFKC').toLowerCase()
  const found: Word[] = []
  let phrase = 0
  let afterFor = false
  let hasFor = false
  let negated = false
  let letters = 0
  let foreignLetters = 0
  let glued = ''
  let pending: number | undefined
  const flush = (unit: string): void => {
    if (pending === undefined) return
    const canonical = String(Math.round(pending * 1000) / 1000) + unit
    found.push({ text: canonical, stem: canonical, kind: 'number', value: pending, unit, phrase, afterFor })
    pending = undefined
  }
  const plain = (word: string, kind: 'word' | 'code'): void => {
    found.push({ text: word, stem: kind === 'word' ? stem(word) : word, kind, value: 0, unit: '', phrase, afterFor })
  }
  for (const match of lower.matchAll(TOKEN)) {
    if (found.length >= words_max) break
    const token = match[0]
    const first = token.charCodeAt(0)
    const alphanumeric = (first >= 97 && first <= 122) || (first >= 48 && first <= 57) || first > 0x7f
    if (!alphanumeric || first === 0x2013 || first === 0x2014 || first === 0x2033 || first === 0x2032) {
      if (token === '"' || token === '″') flush('in')
      else if (token === "'" || token === '′') flush('ft')
      else if (token !== ' -' && token !== '- ') {
        flush('')
        phrase++
        afterFor = false
      } else {
        flush('')
        phrase++
      }
      continue
    }
    glued += token
    letters += token.length
    if (CJK.test(token)) {
      flush('')
      foreignLetters += token.length
      if (token.length <= 2) plain(token, 'word')
      else
        for (let at = 0; at + 1 < token.length && found.length < words_max; at++) plain(token.slice(at, at + 2), 'word')
      continue
    }
    if (first > 0x24f) foreignLetters += token.length
    if (first >= 48 && first <= 57) {
      const value = numberValue(token)
      if (Number.isFinite(value) && /^[\d.,/-]+$/u.test(token)) {
        flush('')
        pending = value
        continue
      }
      const parts = /^(\d+(?:\.\d+)?)([a-z]+)$/u.exec(token)
      const unit = parts && UNITS.get(parts[2]!)
      if (parts && unit) {
        flush('')
        pending = Number(parts[1])
        flush(unit)
        continue
      }
      if (/^\d+(?:x\d+)+$/u.test(token)) {
        flush('')
        for (const side of token.split('x')) {
          pending = Number(side)
          flush('')
        }
        continue
      }
    }
    const unit = pending === undefined ? undefined : UNITS.get(token)
    if (unit) {
      flush(unit)
      continue
    }
    flush('')
    if (token === 'x' || token === 'by') continue
    if (NEGATION.has(token)) negated = true
    if (FOR.has(token)) {
      hasFor = true
      afterFor = true
      phrase++
    } else if (BREAK.has(token)) phrase++
    else if (!STOP.has(token)) plain(token, DIGIT.test(token) ? 'code' : 'word')
  }
  flush('')
  return { words: found, head: headOf(found), negated, hasFor, glued, foreign: letters ? foreignLetters / letters : 0 }
}

function headOf(found: readonly Word[]): number {
  let head = -1
  for (let at = 0; at < found.length; at++) {
    const word = found[at]!
    if (head >= 0 && word.phrase !== found[head]!.phrase) break
    if (word.kind === 'word') head = at
  }
  return head >= 0 ? head : found.length - 1
}
