// What the registry decides about Avro schemas: whether a text is one, when two are the same, and whether a change
// is compatible. Pure: no topic, no HTTP. Resolution itself is avsc's, the names and levels are Confluent's.
import avsc from 'avsc'
import type { Schema, Type } from 'avsc'

export const LEVELS = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const
export type Level = (typeof LEVELS)[number]

export type ParsedSchema = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string }

export function isLevel(value: unknown): value is Level {
  return (LEVELS as readonly unknown[]).includes(value)
}

/** Checks a schema (names, types, defaults) and gives it in one spelling: equal schemas have equal texts. */
export function parseSchema(schema: unknown): ParsedSchema {
  if (typeof schema !== 'string') return { ok: false, why: 'schema must be a string of JSON' }
  try {
    const tree: unknown = JSON.parse(schema)
    avroType(tree)
    return { ok: true, text: JSON.stringify(sortKeys(tree)) }
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error) }
  }
}

/**
 * What stands against writing `schema` next to `earlier` ones (oldest first): one message a clash, none when the
 * level allows it. BACKWARD: the new one reads data of the old; FORWARD: the old one reads data of the new.
 */
export function clashes(schema: string, earlier: readonly string[], level: Level): string[] {
  if (level === 'NONE') return []
  const others = level.endsWith('_TRANSITIVE') ? earlier : earlier.slice(-1)
  const readsOld = level.startsWith('BACKWARD') || level.startsWith('FULL')
  const readByOld = level.startsWith('FORWARD') || level.startsWith('FULL')
  return others.flatMap((other) => [
    ...(readsOld ? cannotRead(schema, other, 'the new schema cannot read data of an earlier one') : []),
    ...(readByOld ? cannotRead(other, schema, 'an earlier schema cannot read data of the new one') : []),
  ])
}

function cannotRead(reader: string, writer: string, what: string): string[] {
  try {
    avroType(JSON.parse(reader)).createResolver(avroType(JSON.parse(writer)))
    return []
  } catch (error) {
    return [`${what}: ${error instanceof Error ? error.message : String(error)}`]
  }
}

function avroType(tree: unknown): Type {
  return avsc.Type.forSchema(tree as Schema, { wrapUnions: true })
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]))
}
