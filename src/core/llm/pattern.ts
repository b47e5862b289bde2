// Judges a regular expression that a person wrote before it meets texts that anybody wrote: how many ways it could match
// at one place bounds the time it can take there. Nested and neighbouring unbounded repeats have too many.
// Must never pass what it does not understand.

/** A text has at most this many characters when the pattern meets it, so that much is "any number". */
const TEXT_MAX = 2_400
/** One unbounded repeat is within it, two in a row are not. */
const WAYS_MAX = 2_500
const PATTERN_MAX = 500

/** Why the pattern is refused, or undefined where it is safe. Its flags are `u` and `g`. */
export function refusal(source: string): string | undefined {
  if (source.length > PATTERN_MAX) return `is longer than ${PATTERN_MAX} characters`
  let pattern: RegExp
  try {
    pattern = new RegExp(source, 'u')
  } catch (error) {
    return `is no regular expression: ${(error as Error).message}`
  }
  if (pattern.test('')) return 'matches where there is nothing'
  const read = new Reader(source)
  const ways = read.alternatives()
  if (read.why !== undefined) return read.why
  return ways <= WAYS_MAX
    ? undefined
    : 'can match in too many ways, and so take too long: bound its repeats, as in \\d{1,20}, and repeat no repeat'
}

/** Counts the ways to match of a pattern that is known to be valid. Ways of a sequence multiply, of alternatives add up. */
class Reader {
  why: string | undefined
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  alternatives(): number {
    let sum = this.#sequence()
    while (this.#take('|')) sum += this.#sequence()
    return sum
  }

  #sequence(): number {
    let product = 1
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at]!)) {
      const ways = this.#atom()
      product *= this.#repeated(ways)
    }
    return product
  }

  #atom(): number {
    if (this.#take('(')) return this.#group()
    if (this.#take('[')) {
      while (!this.#take(']')) this.#at += this.#source[this.#at] === '\\' ? 2 : 1
      return 1
    }
    if (this.#source[this.#at] === '\\') return this.#escape()
    this.#at++
    return 1
  }

  #group(): number {
    if (this.#take('?')) {
      const kind = /^(?::|<?[=!]|<[\p{L}_$][\p{L}\p{N}_$]*>)/u.exec(this.#source.slice(this.#at))?.[0]
      if (kind === undefined) this.why = 'has a group that is not understood'
      this.#at += kind?.length ?? 0
    }
    const ways = this.alternatives()
    this.#at++
    return ways
  }

  #escape(): number {
    const rest = this.#source.slice(this.#at)
    if (/^\\(?:[1-9]|k<)/.test(rest)) this.why = 'refers back to a group'
    this.#at += /^\\(?:u\{[^}]*\}|[pP]\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c.|.)/su.exec(rest)?.[0].length ?? 2
    return 1
  }

  /** X{m,n}: the sum of ways^i for i from m to n. */
  #repeated(ways: number): number {
    const found = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(this.#source.slice(this.#at))
    if (found === null) return ways
    this.#at += found[0].length
    const [sign, from, comma, to] = found
    const least = from === undefined ? Number(sign.startsWith('+')) : Number(from)
    const most = sign.startsWith('?') ? 1 : comma === undefined && from !== undefined ? least : Number(to || TEXT_MAX)
    if (ways > 1 && most > 1) return ways ** Math.min(most, PATTERN_MAX) * (most - least + 1)
    return (most - least + 1) * ways
  }

  #take(char: string): boolean {
    const there = this.#source[this.#at] === char
    if (there) this.#at++
    return there
  }
}
