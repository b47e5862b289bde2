// The JSON Schemas in schemas/ and docs/configuration.md: what the zod schemas of src/adapters/config accept, for editors and
// for people. Must never say more than those schemas do.
import { z } from 'zod'
import { benchmarkSchema } from '../../src/adapters/config/benchmark.ts'
import { configSchema } from '../../src/adapters/config/schema.ts'
import { taskSchema } from '../../src/adapters/config/tasks.ts'
import { topicSchema } from '../../src/adapters/config/topics.ts'
import { page, table } from './page.ts'
import type { Document } from './page.ts'

interface Json {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Json>>
  readonly additionalProperties?: Json | boolean
  readonly items?: Json
  readonly anyOf?: readonly Json[]
  readonly required?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

const FILES = [
  { name: 'sluice', title: 'sluice.yaml', schema: configSchema },
  { name: 'task', title: 'models/<task>/task.yaml', schema: taskSchema },
  { name: 'topic', title: 'topics/<topic>.yaml', schema: topicSchema },
  { name: 'benchmark', title: 'benchmark.yaml', schema: benchmarkSchema },
] as const

export const JSON_SCHEMAS: readonly Document[] = FILES.map(({ name, title, schema }) => ({
  path: `schemas/${name}.schema.json`,
  render: () => `${JSON.stringify({ title, ...jsonOf(schema) }, undefined, 2)}\n`,
}))

function jsonOf(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json
}

export function renderConfiguration(): string {
  const parts = FILES.flatMap(({ name, title, schema }) => [
    `## ${title}`,
    '',
    `JSON Schema for editors: \`schemas/${name}.schema.json\`.`,
    '',
    table(['key', 'type', 'default', 'what it is'], rowsOf(jsonOf(schema), '')),
    '',
  ])
  return page(
    'Configuration',
    'the schemas in src/adapters/config',
    'Unknown keys are errors. `${NAME}` reads the environment, `${NAME:-x}` with a default; `$${` is a plain `${`.',
    'Paths are relative to `sluice.yaml`. `sluice lint` checks all of it and touches no server.',
    '',
    ...parts.slice(0, -1),
  )
}

/** One row a key; groups are flattened to dotted keys, maps show `<name>`, lists of groups `[]`. */
function rowsOf(json: Json, prefix: string, group: string | undefined = undefined): string[][] {
  const properties = Object.entries(json.properties ?? {})
  return properties.flatMap(([name, it]) => {
    const key = `${prefix}${name}`
    if (it.properties) return rowsOf(it, `${key}.`, json.required?.includes(name) || !it.required ? group : key)
    const inner = typeof it.additionalProperties === 'object' ? it.additionalProperties : undefined
    const needed = json.required?.includes(name) ?? false
    const row = [`\`${key}\``, typeOf(it), defaultOf(it, needed, group), says(it)]
    if (it.items?.properties) return [row, ...rowsOf(it.items, `${key}[].`, key)]
    return inner?.properties ? [row, ...rowsOf(inner, `${key}.<name>.`, key)] : [row]
  })
}

function typeOf(json: Json): string {
  if (json.enum) return json.enum.map((value) => `\`${String(value)}\``).join(' or ')
  if (json.anyOf) return json.anyOf.map(typeOf).join(' or ')
  if (json.type === 'array') return `list of ${typeOf(json.items ?? {})}`
  if (json.properties) return 'groups'
  if (json.type === 'object')
    return `map of ${typeof json.additionalProperties === 'object' ? typeOf(json.additionalProperties) : 'anything'}`
  const [low, high] = [json.minimum ?? json.exclusiveMinimum, json.maximum]
  const limits = [
    low === undefined || low <= Number.MIN_SAFE_INTEGER ? '' : json.minimum === undefined ? `> ${low}` : `≥ ${low}`,
    high === undefined || high >= Number.MAX_SAFE_INTEGER ? '' : `≤ ${high}`,
  ].filter((limit) => limit !== '')
  const name =
    { integer: 'whole number', string: 'text', boolean: 'true or false' }[json.type ?? ''] ?? json.type ?? 'any'
  return [name, ...limits].join(' ')
}

function defaultOf(json: Json, needed: boolean, group: string | undefined): string {
  if (json.default !== undefined) return `\`${JSON.stringify(json.default)}\``
  if (!needed) return '–'
  return group === undefined ? '**required**' : `**required** in \`${group}\``
}

/** Angle brackets are HTML to Markdown. */
function says({ description = '' }: Json): string {
  return description.replaceAll('<', '&lt;')
}
