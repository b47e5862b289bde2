// A prompt as data: Markdown with named slots, a part that never changes (System) and one of a call (User).
// Must never read a slot's value as a template: what is put in stays as it is.

/** Where each slot may stand. */
const SLOTS = {
  rules: ['system'],
  rubric: ['system', 'user'],
  labels: ['system'],
  choices: ['user'],
  examples: ['user'],
  items: ['user'],
} as const

export type Slot = keyof typeof SLOTS
/** Without these no answer could be right. */
const NEEDED: readonly Slot[] = ['rules', 'rubric', 'labels', 'choices', 'items']

/** Text and slots of one paragraph in turn. */
type Paragraph = readonly (string | { readonly slot: Slot })[]

export interface PromptTemplate {
  /** The whole text, rules put in: what a digest is made of. */
  readonly source: string
  readonly system: readonly Paragraph[]
  readonly user: readonly Paragraph[]
}

/**
 * `rules` replaces {{rules}}; comments are left out of both. Throws SyntaxError where a heading is missing, a slot is
 * unknown, doubled, missing or out of its place, or something follows the items.
 */
export function parsePromptTemplate(source: string, rules: string): PromptTemplate {
  const [before = '', system, user, ...more] = uncommented(source).split(/^# (?:System|User)[ \t]*$/m)
  const order = uncommented(source)
    .match(/^# (?:System|User)(?=[ \t]*$)/gm)
    ?.join(' ')
  if (order !== '# System # User' || user === undefined || more.length > 0 || before.trim() !== '')
    throw new SyntaxError('a prompt has two headings, "# System" and then "# User", and nothing before them')
  const template = {
    source: [system!, user]
      .map((part) => part.trim().replace('{{rules}}', () => uncommented(rules).trim()))
      .join('\n\n# User\n\n'),
    system: paragraphs(system!, 'system', uncommented(rules).trim()),
    user: paragraphs(user, 'user', ''),
  }
  const found = [...uncommented(source).matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name as Slot)
  const twice = found.find((name, at) => found.indexOf(name) !== at)
  if (twice !== undefined) throw new SyntaxError(`{{${twice}}} stands there twice`)
  const missing = NEEDED.find((name) => !found.includes(name))
  if (missing !== undefined) throw new SyntaxError(`{{${missing}}} is missing`)
  if (found.at(-1) !== 'items' || !user.trimEnd().endsWith('{{items}}'))
    throw new SyntaxError('{{items}} comes last, so that what does not change comes first')
  return template
}

function uncommented(text: string): string {
  return text.replace(/<!--[^]*?-->/g, '')
}

function paragraphs(text: string, part: 'system' | 'user', rules: string): Paragraph[] {
  return text
    .trim()
    .split(/\n[ \t]*\n\s*/)
    .map((paragraph) => slots(paragraph, part, rules))
}

function slots(paragraph: string, part: 'system' | 'user', rules: string): Paragraph {
  return paragraph.split(/(\{\{[^{}]*\}\})/).flatMap((piece): Paragraph => {
    if (piece === '') return []
    const name = /^\{\{(.*)\}\}$/.exec(piece)?.[1]
    if (name === undefined) return [piece]
    if (!Object.hasOwn(SLOTS, name))
      throw new SyntaxError(`{{${name}}} is no slot; there is ${Object.keys(SLOTS).join(', ')}`)
    if (!(SLOTS[name as Slot] as readonly string[]).includes(part))
      throw new SyntaxError(`{{${name}}} does not belong under "# ${part === 'user' ? 'User' : 'System'}"`)
    return name === 'rules' ? [rules] : [{ slot: name as Slot }]
  })
}

/** The text of one part. A paragraph whose slots all have no value is left out. */
export function fill(part: readonly Paragraph[], values: Readonly<Partial<Record<Slot, string>>>): string {
  return part
    .filter((paragraph) => {
      const asked = paragraph.filter((piece) => typeof piece !== 'string')
      return asked.length === 0 || asked.some(({ slot }) => (values[slot] ?? '') !== '')
    })
    .map((paragraph) =>
      paragraph.map((piece) => (typeof piece === 'string' ? piece : (values[piece.slot] ?? ''))).join(''),
    )
    .join('\n\n')
}
