// What the registry knows, as a fold over the records of its topic. Pure: the same records give the same state,
// which is why it survives a restart. Record shapes are those of Confluent's `_schemas` topic.
import type { Level } from './registry-schema.ts'

export type SchemaKey = { keytype: 'SCHEMA'; subject: string; version: number; magic: 1 }
export type SchemaValue = { subject: string; version: number; id: number; schema: string; deleted: boolean }
export type ConfigKey = { keytype: 'CONFIG'; subject: string | null; magic: 0 }
export type ConfigValue = { compatibilityLevel: Level }
/** A record to write; a null value removes what the key names. */
export type LogRecord =
  | { readonly key: SchemaKey; readonly value: SchemaValue | null }
  | { readonly key: ConfigKey; readonly value: ConfigValue | null }

export type RegistryState = {
  /** By subject, in order of version; deleted ones stay until they are removed for good. */
  readonly versions: Map<string, Map<number, SchemaValue>>
  readonly ids: Map<string, number>
  readonly texts: Map<number, string>
  /** The level of a subject; under null the level of all others. */
  readonly levels: Map<string | null, Level>
}

export const DEFAULT_LEVEL: Level = 'BACKWARD'

export function emptyState(): RegistryState {
  return { versions: new Map(), ids: new Map(), texts: new Map(), levels: new Map() }
}

export function applyRecord(state: RegistryState, record: LogRecord): void {
  if (isSchema(record)) applySchema(state, record.key, record.value)
  else if (record.value === null) state.levels.delete(record.key.subject)
  else state.levels.set(record.key.subject, record.value.compatibilityLevel)
}

function isSchema(record: LogRecord): record is Extract<LogRecord, { key: SchemaKey }> {
  return record.key.keytype === 'SCHEMA'
}

/** An id, once given, stays with its text, also after its subjects are gone: records out there still carry it. */
function applySchema(state: RegistryState, key: SchemaKey, value: SchemaValue | null): void {
  const versions = state.versions.get(key.subject) ?? new Map<number, SchemaValue>()
  if (value === null) {
    versions.delete(key.version)
    if (versions.size === 0) state.versions.delete(key.subject)
    return
  }
  state.versions.set(key.subject, versions.set(key.version, value))
  state.ids.set(value.schema, value.id)
  state.texts.set(value.id, value.schema)
}

/** The versions of a subject that are not deleted, oldest first; none when there is no such subject. */
export function liveVersions(state: RegistryState, subject: string): SchemaValue[] {
  return allVersions(state, subject).filter((entry) => !entry.deleted)
}

export function allVersions(state: RegistryState, subject: string): SchemaValue[] {
  return [...(state.versions.get(subject)?.values() ?? [])].sort((a, b) => a.version - b.version)
}

export function levelOf(state: RegistryState, subject: string): Level {
  return state.levels.get(subject) ?? state.levels.get(null) ?? DEFAULT_LEVEL
}

export function nextId(state: RegistryState): number {
  return Math.max(0, ...state.texts.keys()) + 1
}
