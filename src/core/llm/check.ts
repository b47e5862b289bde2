// Judges the raw text of an LLM's reply. The parser reads exactly the language of the schema that was asked for,
// {"answers":[{"id":"…","label":"…"},…]}, and nothing else: no numbers, no other keys, no doubled keys, no second object.
// It must never repair, trim, or guess, and it must never throw.

/** Closed list: why an answer, or a whole reply, was not accepted. */
export const FAULTS = {
  'too-long': 'the reply is longer than its items can need',
  malformed: 'the reply is not the JSON that was asked for',
  'foreign-ids': 'the reply names ids that were not asked and lacks some that were',
  missing: 'the reply does not name the item',
  duplicate: 'the reply names the item more than once',
  'not-a-label': 'the label is not one of those that were offered',
  length: 'the reply was cut at the token limit',
  refusal: 'the LLM refused to answer',
  rejected: 'the provider did not take the request, or its reply could not be read',
} as const

export type Fault = keyof typeof FAULTS

export interface Expected {
  readonly ids: readonly string[]
  /** The labels on offer, exactly as they stand in the schema's enum. */
  readonly labels: { has(label: string): boolean }
  /** Bound on the reply, in UTF-16 units. */
  readonly replyChars_max: number
}

export type Checked =
  | { readonly ok: false; readonly fault: Fault }
  | { readonly ok: true; readonly answers: ReadonlyMap<string, AnswerOrFault> }

export type AnswerOrFault = { readonly label: string } | { readonly fault: Fault }

/**
 * One entry per expected id. Each is accepted on its own, save that a reply with both foreign and missing ids is refused
 * whole: ids that shifted by one look like that, and then every answer belongs to another item.
 */
export function checkReply(text: string, expected: Expected): Checked {
  if (text.length > expected.replyChars_max) return { ok: false, fault: 'too-long' }
  const pairs = parseAnswers(text)
  if (pairs === undefined) return { ok: false, fault: 'malformed' }
  const asked = new Set(expected.ids)
  const answers = new Map<string, AnswerOrFault>()
  let foreign = false
  for (const { id, label } of pairs) {
    if (!asked.has(id)) foreign = true
    else if (answers.has(id)) answers.set(id, { fault: 'duplicate' })
    else answers.set(id, expected.labels.has(label) ? { label } : { fault: 'not-a-label' })
  }
  for (const id of expected.ids) {
    if (answers.has(id)) continue
    if (foreign) return { ok: false, fault: 'foreign-ids' }
    answers.set(id, { fault: 'missing' })
  }
  return { ok: true, answers }
}

/** Whitespace, then a bracket, colon, comma or string of RFC 8259; numbers and literals have no place here. */
const TOKEN = /[ \t\n\r]*([{}[\]:,]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")/uy

function tokens(text: string): string[] | undefined {
  const found: string[] = []
  let end = text.length
  while (end > 0 && ' \t\n\r'.includes(text[end - 1]!)) end--
  TOKEN.lastIndex = 0
  for (let at = 0; at < end; at = TOKEN.lastIndex) {
    const match = TOKEN.exec(text)
    if (match === null) return undefined
    found.push(match[1]!)
  }
  return found
}

/** The (id, label) pairs in order, or undefined where the text is anything but the schema's language. */
function parseAnswers(text: string): { readonly id: string; readonly label: string }[] | undefined {
  const all = tokens(text)
  if (all === undefined) return undefined
  let at = 0
  const take = (token: string) => all[at] === token && ++at > 0
  const string = () => (all[at]?.startsWith('"') ? (JSON.parse(all[at++]!) as string) : undefined)

  if (!take('{') || string() !== 'answers' || !take(':') || !take('[')) return undefined
  const pairs: { id: string; label: string }[] = []
  for (let first = true; !take(']'); first = false) {
    if (!first && !take(',')) return undefined
    if (!take('{')) return undefined
    const pair: { id?: string; label?: string } = {}
    for (let field = 0; field < 2; field++) {
      if (field > 0 && !take(',')) return undefined
      const key = string()
      if ((key !== 'id' && key !== 'label') || pair[key] !== undefined || !take(':')) return undefined
      const value = string()
      if (value === undefined) return undefined
      pair[key] = value
    }
    if (!take('}')) return undefined
    pairs.push(pair as { id: string; label: string })
  }
  return take('}') && at === all.length ? pairs : undefined
}
