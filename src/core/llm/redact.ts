// Takes what may name a person out of a text before an LLM sees it. What it takes out leaves its kind behind, so that
// the rest still reads. Linear in the text for the built-in kinds; the prompt bounds the text, and the configuration
// takes only patterns whose time is bounded (see pattern.ts).

/** Kinds that are built in. A long run of digits is an account, a card, an order; product codes of 8 to 14 digits go too. */
export const REDACTIONS = ['email', 'phone', 'digits'] as const
export type Redaction = (typeof REDACTIONS)[number]

const PATTERNS: Readonly<Record<Redaction, RegExp>> = {
  // RFC 5322's dot-atom, as people write it; at most 64 characters before the sign (RFC 5321, 4.5.3.1.1).
  email: /[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}/gu,
  // Nine digits or more in groups: +49 (0)30 1234-567. E.164 allows fifteen; cards have up to nineteen (ISO/IEC 7812).
  phone: /(?<![\p{L}\p{N}])(?:\+|00)?\(?\p{Nd}(?:[ ().\-/]{0,3}\p{Nd}){8,18}(?![\p{L}\p{N}])/gu,
  digits: /\p{Nd}{8,}/gu,
}

export interface RedactSettings {
  readonly kinds: readonly Redaction[]
  /** The shop's own, by what is left in their place; regular expressions with the flags `gu`. */
  readonly patterns: Readonly<Record<string, RegExp>>
}

/** Gives a function that takes all of it out, the shop's own patterns first. */
export function redactor({ kinds, patterns }: RedactSettings): (text: string) => string {
  const all = [
    ...Object.entries(patterns),
    ...REDACTIONS.filter((kind) => kinds.includes(kind)).map((kind) => [kind, PATTERNS[kind]] as const),
  ]
  return (text) => all.reduce((rest, [name, pattern]) => rest.replace(pattern, `[${name}]`), text)
}
