// Reads a YAML file against a schema: ${ENV} interpolation, unknown keys fatal with a did-you-mean, errors with the line.
// Shows names of keys and files, never values.
import { readFile } from 'node:fs/promises'
import { isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { closest } from '../../core/closest.ts'
import { SluiceError } from '../../core/error.ts'
import type { ErrorCode } from '../../core/error.ts'
import type { Document } from 'yaml'

/** Throws SL102 where the file cannot be read, `code` where it is not valid. */
export async function readYaml<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
  code: ErrorCode = 'SL101',
): Promise<z.output<Schema>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SluiceError('SL102', `${file} (${error.code ?? 'unreadable'})`, { cause: error })
  })
  return parseYaml(text, file, schema, env, code)
}

export function parseYaml<Schema extends z.ZodType>(
  text: string,
  file: string,
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
  code: ErrorCode = 'SL101',
): z.output<Schema> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors[0]
  if (broken) throw new SluiceError(code, `${file}:${lines.linePos(broken.pos[0]).line}: ${broken.message}`)
  interpolate(document, env, (offset, name) => {
    throw new SluiceError(
      code,
      `${file}:${lines.linePos(offset).line}: environment variable ${name} is not set and has no default`,
    )
  })
  const parsed = schema.safeParse(valueOf(document, file, code) ?? {})
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, document, lines, schema))
  throw new SluiceError(code, problems.map((problem) => `${file}:${problem}`).join('\n  '))
}

function valueOf(document: Document, file: string, code: ErrorCode): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 })
  } catch (error) {
    throw new SluiceError(code, `${file}: an alias names nothing, or aliases grow too large`, { cause: error })
  }
}

/** ${NAME} and ${NAME:-default} inside string values; `$${` is a literal `${`. */
function interpolate(
  document: Document,
  env: Readonly<Record<string, string | undefined>>,
  missing: (offset: number, name: string) => never,
): void {
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return
      node.value = node.value.replace(
        /\$?\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g,
        (whole: string, name: string, fallback?: string) => {
          if (whole.startsWith('$$')) return whole.slice(1)
          return (
            env[name] ||
            fallback ||
            (fallback === undefined && env[name] === undefined ? missing(node.range?.[0] ?? 0, name) : '')
          )
        },
      )
    },
  })
}

function problemsOf(issue: z.core.$ZodIssue, document: Document, lines: LineCounter, schema: z.ZodType): string[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys')
    return [`${lineOf(document, lines, path)}: ${path.join('.') || 'the file'}: ${issue.message}`]
  return issue.keys.map((key) => {
    const near = closest(key, keysAt(schema, path))
    const hint = near ? ` (did you mean "${near}"?)` : ''
    return `${lineOf(document, lines, [...path, key])}: unknown key "${[...path, key].join('.')}"${hint}`
  })
}

function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const name of path) {
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === name)
    if (!pair) break
    offset = (pair.key as { range?: [number, number, number] }).range?.[0] ?? offset
    node = pair.value
  }
  return lines.linePos(offset).line
}

function keysAt(schema: z.ZodType, path: readonly string[]): string[] {
  let json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>
  for (const name of path) {
    const properties = json['properties'] as Record<string, Record<string, unknown>> | undefined
    json = properties?.[name] ?? (json['additionalProperties'] as Record<string, unknown> | undefined) ?? {}
  }
  return Object.keys((json['properties'] as object | undefined) ?? {})
}
