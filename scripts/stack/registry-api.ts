// The registry's answers: a subset of Confluent's REST API, with its error codes, over a state and its log. One
// write at a time, so that a check and the record it allows are never apart. HTTP itself is registry.ts's.
import { clashes, isLevel, LEVELS, parseSchema } from './registry-schema.ts'
import { allVersions, applyRecord, DEFAULT_LEVEL, levelOf, liveVersions, nextId } from './registry-state.ts'
import type { LogRecord, RegistryState, SchemaValue } from './registry-state.ts'
import type { RegistryLog } from './registry-log.ts'

export type Call = {
  readonly params: readonly string[]
  readonly query: URLSearchParams
  readonly body: Readonly<Record<string, unknown>>
}
export type Route = { readonly method: string; readonly path: RegExp; answer(call: Call): unknown }

/** An answer that is an error: HTTP status, Confluent's code and a message. */
export class RegistryError extends Error {
  readonly status: number
  readonly code: number
  constructor(status: number, code: number, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

export function registryRoutes(state: RegistryState, log: RegistryLog): Route[] {
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(decide: () => Promise<T>): Promise<T> => {
    const turn = last.then(decide)
    last = turn.catch(() => {})
    return turn
  }
  const write = async (records: readonly LogRecord[]) => {
    await log.append(records)
    for (const record of records) applyRecord(state, record)
  }
  const get = (path: RegExp, answer: Route['answer']): Route => ({ method: 'GET', path, answer })
  const post = (path: RegExp, answer: Route['answer']): Route => ({ method: 'POST', path, answer })
  const put = (path: RegExp, answer: Route['answer']): Route => ({ method: 'PUT', path, answer })

  return [
    get(/^\/schemas\/types$/, () => ['AVRO']),
    get(/^\/schemas\/ids\/(\d+)$/, ({ params }) => ({ schema: textOf(state, params[0]) })),
    get(/^\/subjects$/, () => [...state.versions.keys()].filter((name) => liveVersions(state, name).length > 0).sort()),
    get(/^\/subjects\/([^/]+)\/versions$/, ({ params }) => found(state, params[0]).map((entry) => entry.version)),
    get(/^\/subjects\/([^/]+)\/versions\/([^/]+)$/, ({ params }) => shown(versionOf(state, params[0], params[1]))),
    get(/^\/config$/, () => ({ compatibilityLevel: state.levels.get(null) ?? DEFAULT_LEVEL })),
    get(/^\/config\/([^/]+)$/, (call) => ({ compatibilityLevel: configOf(state, call) })),
    post(/^\/subjects\/([^/]+)$/, (call) => shown(lookUp(state, call))),
    post(/^\/subjects\/([^/]+)\/versions$/, (call) => inTurn(() => register(state, write, call))),
    post(/^\/compatibility\/subjects\/([^/]+)\/versions(?:\/([^/]+))?$/, (call) => checkCompatible(state, call)),
    put(/^\/config$/, (call) => inTurn(() => setLevel(write, null, call))),
    put(/^\/config\/([^/]+)$/, (call) => inTurn(() => setLevel(write, call.params[0] ?? '', call))),
    {
      method: 'DELETE',
      path: /^\/subjects\/([^/]+)$/,
      answer: (call) => inTurn(() => deleteSubject(state, write, call)),
    },
  ]
}

type Write = (records: readonly LogRecord[]) => Promise<void>

function shown({ subject, version, id, schema }: SchemaValue) {
  return { subject, version, id, schema }
}

function textOf(state: RegistryState, id: string | undefined): string {
  const text = state.texts.get(Number(id))
  if (text === undefined) throw new RegistryError(404, 40403, `Schema ${id} not found`)
  return text
}

/** The live versions of a subject that must exist. */
function found(state: RegistryState, subject = ''): SchemaValue[] {
  const versions = liveVersions(state, subject)
  if (versions.length === 0) throw new RegistryError(404, 40401, `Subject '${subject}' not found.`)
  return versions
}

function versionOf(state: RegistryState, subject: string | undefined, wanted = ''): SchemaValue {
  const versions = found(state, subject)
  if (wanted === 'latest' || wanted === '-1') return versions.at(-1)!
  if (!/^[1-9]\d{0,8}$/.test(wanted)) {
    throw new RegistryError(422, 42202, `'${wanted}' is not a version: give a number from 1 on, or latest`)
  }
  const entry = versions.find(({ version }) => version === Number(wanted))
  if (!entry) throw new RegistryError(404, 40402, `Version ${wanted} not found.`)
  return entry
}

/** The schema of a request's body in its one spelling. */
function schemaOf({ body }: Call): string {
  const { schemaType = 'AVRO', references } = body
  if (schemaType !== 'AVRO')
    throw new RegistryError(422, 42201, `Schema type ${String(schemaType)}: only AVRO is known here`)
  if (Array.isArray(references) && references.length > 0) {
    throw new RegistryError(422, 42201, 'References between schemas are not known here')
  }
  const parsed = parseSchema(body['schema'])
  if (!parsed.ok) throw new RegistryError(422, 42201, `Invalid schema: ${parsed.why}`)
  return parsed.text
}

async function register(state: RegistryState, write: Write, call: Call) {
  const [subject = ''] = call.params
  const schema = schemaOf(call)
  const live = liveVersions(state, subject)
  const same = live.find((entry) => entry.schema === schema)
  if (same) return { id: same.id }
  const messages = clashes(
    schema,
    live.map((entry) => entry.schema),
    levelOf(state, subject),
  )
  if (messages.length > 0) {
    const [first] = messages
    throw new RegistryError(
      409,
      409,
      `Schema being registered is incompatible with an earlier schema for subject "${subject}", ${first}`,
    )
  }
  const version = (allVersions(state, subject).at(-1)?.version ?? 0) + 1
  const id = state.ids.get(schema) ?? nextId(state)
  const value = { subject, version, id, schema, deleted: false }
  await write([{ key: { keytype: 'SCHEMA', subject, version, magic: 1 }, value }])
  return { id }
}

function lookUp(state: RegistryState, call: Call): SchemaValue {
  const versions = found(state, call.params[0])
  const schema = schemaOf(call)
  const entry = versions.find((one) => one.schema === schema)
  if (!entry) throw new RegistryError(404, 40403, 'Schema not found')
  return entry
}

/** With a version: against that one alone; without: against all that the level names. */
function checkCompatible(state: RegistryState, call: Call) {
  const [subject = '', version] = call.params
  const schema = schemaOf(call)
  const earlier = version === undefined ? found(state, subject) : [versionOf(state, subject, version)]
  const messages = clashes(
    schema,
    earlier.map((entry) => entry.schema),
    levelOf(state, subject),
  )
  const verbose = call.query.get('verbose') === 'true'
  return { is_compatible: messages.length === 0, ...(verbose ? { messages } : {}) }
}

function configOf(state: RegistryState, { params: [subject = ''], query }: Call) {
  const level = state.levels.get(subject)
  if (level !== undefined) return level
  if (query.get('defaultToGlobal') === 'true') return levelOf(state, subject)
  throw new RegistryError(404, 40408, `Subject '${subject}' does not have subject-level compatibility configured`)
}

async function setLevel(write: Write, subject: string | null, { body }: Call) {
  const { compatibility } = body
  if (!isLevel(compatibility)) {
    throw new RegistryError(422, 42203, `Invalid compatibility level; one of ${LEVELS.join(', ')}`)
  }
  const value = { compatibilityLevel: compatibility }
  await write([{ key: { keytype: 'CONFIG', subject, magic: 0 }, value }])
  return { compatibility }
}

/** Marks all versions as deleted; `?permanent=true`, after that, removes them. Ids stay readable while we run. */
async function deleteSubject(state: RegistryState, write: Write, { params: [subject = ''], query }: Call) {
  const permanent = query.get('permanent') === 'true'
  const live = liveVersions(state, subject)
  if (permanent && live.length > 0) {
    throw new RegistryError(404, 40405, `Subject '${subject}' was not deleted first before being permanently deleted`)
  }
  const entries = permanent ? allVersions(state, subject) : found(state, subject)
  if (entries.length === 0) throw new RegistryError(404, 40401, `Subject '${subject}' not found.`)
  await write(
    entries.map((entry) => ({
      key: { keytype: 'SCHEMA', subject, version: entry.version, magic: 1 } as const,
      value: permanent ? null : { ...entry, deleted: true },
    })),
  )
  return entries.map((entry) => entry.version)
}
