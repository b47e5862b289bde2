// One spelling for equal texts: what the models hash and what the cache keys are made of.
// Linear in the length cap whatever the input holds; never throws. A change here changes NORMALISER_VERSION,
// because models and cached answers are only valid for the spelling they were made with.

export const NORMALISER_VERSION = 1

/** Input beyond this many UTF-16 code units is not looked at. */
export const TEXT_LENGTH_MAX = 2000

/** Nothing that NFKC adds may make the result longer than this: one code unit (U+FDFA) can become 18. */
export const NORMALISED_LENGTH_MAX = 4000

/** Runs of more combining marks than this are cut: canonical ordering sorts a run, which is not linear in its length. */
const MARK_RUN = /(\p{M}{8})\p{M}+/gu

/** Format characters (zero-width, bidi, soft hyphen, byte order mark) and controls other than white space. */
const INVISIBLE = /(?:\p{Cf}|(?!\s)\p{Cc})+/gu

const PLAIN_ASCII = /^[ -~]*$/

/**
 * NFKC, lower case, white space collapsed and trimmed, invisible characters removed, lone surrogates replaced by U+FFFD;
 * accents are kept. Idempotent for texts within TEXT_LENGTH_MAX whose result is too.
 */
export function normalise(text: string): string {
  const capped = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text
  if (PLAIN_ASCII.test(capped)) return collapse(capped.toLowerCase())
  const visible = capped.toWellFormed().replace(INVISIBLE, '').replace(MARK_RUN, '$1')
  const composed = visible.normalize('NFKC').toLowerCase().normalize('NFKC').replace(INVISIBLE, '')
  return collapse(composed.slice(0, NORMALISED_LENGTH_MAX).toWellFormed())
}

function collapse(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
