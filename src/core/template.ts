// Templates read fields of a decoded record: "{title}", "{candidates.title}"; "{brand?}" may be missing.
// Inside a task with `each: candidates`, a path that starts with `candidates.` reads the current element.

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly path: readonly string[]; readonly optional: boolean }

export interface Template {
  readonly source: string
  readonly parts: readonly Part[]
}

/** Throws SyntaxError where a brace is not closed or a field name is empty. */
export function parseTemplate(source: string): Template {
  const parts: Part[] = []
  let rest = source
  while (rest !== '') {
    const start = rest.indexOf('{')
    if (start !== 0) {
      const text = start < 0 ? rest : rest.slice(0, start)
      if (text.includes('}')) throw new SyntaxError(`"${source}": } without {`)
      parts.push({ kind: 'text', text })
      rest = start < 0 ? '' : rest.slice(start)
      continue
    }
    const end = rest.indexOf('}')
    if (end < 0) throw new SyntaxError(`"${source}": { without }`)
    const optional = rest[end - 1] === '?'
    const path = rest.slice(1, optional ? end - 1 : end).split('.')
    if (path.some((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)))
      throw new SyntaxError(`"${source}": "${rest.slice(0, end + 1)}" is not a field path`)
    parts.push({ kind: 'field', path, optional })
    rest = rest.slice(end + 1)
  }
  return { source, parts }
}

/** Own properties only: `__proto__` and friends read as missing. */
export function readField(record: unknown, path: readonly string[]): unknown {
  let value = record
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/**
 * Renders the template. Numbers print as they are; what is not text or a number renders as nothing.
 * `missing` names the first field that the template needs and the record does not have.
 */
export function render(
  template: Template,
  record: unknown,
): { readonly text: string; readonly missing: string | undefined } {
  let text = ''
  let missing: string | undefined
  for (const part of template.parts) {
    if (part.kind === 'text') {
      text += part.text
      continue
    }
    const value = textOf(readField(record, part.path))
    text += value
    if (!part.optional && value === '') missing ??= part.path.join('.')
  }
  return { text, missing }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'bigint' || Number.isFinite(value) ? String(value) : ''
}
