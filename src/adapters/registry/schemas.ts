// Registers schemas in a deploy step; the roles only look them up. A change that old readers cannot follow is refused.
import avsc from 'avsc'
import { COMPATIBILITY, SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import { SluiceError } from '../../core/error.ts'
import { hostOf } from './codec.ts'

export interface SubjectSchema {
  readonly subject: string
  readonly schema: object
}

export interface SchemaStep {
  readonly kind: 'register' | 'keep' | 'refuse'
  readonly subject: string
  readonly says: string
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

const LEVEL = COMPATIBILITY.BACKWARD

/** Asks the registry what each schema would be: new, known, a compatible change or a refusal. Throws SL301. */
export async function planSchemas(
  url: string,
  timeout_ms: number,
  schemas: readonly SubjectSchema[],
): Promise<SchemaStep[]> {
  const steps: SchemaStep[] = []
  for (const { subject, schema } of schemas) {
    const name = encodeURIComponent(subject)
    const body = { schema: JSON.stringify(schema) }
    const known = await ask(url, timeout_ms, 'POST', `/subjects/${name}`, body)
    if (known.status === 200) {
      steps.push({ kind: 'keep', subject, says: `version ${String((known.body as { version?: number }).version)}` })
      continue
    }
    const level = (await ask(url, timeout_ms, 'GET', `/config/${name}`)).body as { compatibilityLevel?: string }
    if ((level.compatibilityLevel ?? LEVEL) !== LEVEL) {
      const says = `its compatibility level is ${level.compatibilityLevel}, which has to be ${LEVEL}`
      steps.push({ kind: 'refuse', subject, says })
      continue
    }
    const test = await ask(
      url,
      timeout_ms,
      'POST',
      `/compatibility/subjects/${name}/versions/latest?verbose=true`,
      body,
    )
    const { is_compatible, messages } = test.body as { is_compatible?: boolean; messages?: string[] }
    if (test.status === 404) steps.push({ kind: 'register', subject, says: 'new subject' })
    else if (is_compatible === true) steps.push({ kind: 'register', subject, says: 'compatible change' })
    else steps.push({ kind: 'refuse', subject, says: messages?.join('; ') ?? 'not compatible with the latest version' })
  }
  return steps
}

/** Throws SL303 before anything is registered when the plan holds a refusal. */
export async function applySchemas(
  url: string,
  schemas: readonly SubjectSchema[],
  plan: readonly SchemaStep[],
): Promise<void> {
  const refused = plan.filter(({ kind }) => kind === 'refuse')
  if (refused.length > 0)
    throw new SluiceError('SL303', refused.map(({ subject, says }) => `${subject}: ${says}`).join('; '))
  const registry = new SchemaRegistry({ host: url, retry: { retries: 1 } })
  for (const { kind, subject } of plan) {
    if (kind !== 'register') continue
    const { schema } = schemas.find((it) => it.subject === subject)!
    const confluent = { type: 'AVRO', schema: JSON.stringify(schema) } as never
    await registry.register(confluent, { subject, compatibility: LEVEL }).catch((error: unknown) => {
      throw refusalOf(error)
        ? new SluiceError('SL303', `${subject}: the registry refuses it`, { cause: error })
        : new SluiceError('SL301', `${hostOf(url)}: ${subject} could not be registered`, { cause: error })
    })
  }
}

/** Somebody else may have changed the subject since the plan. */
function refusalOf(error: unknown): boolean {
  const { name, status } = error as { name?: string; status?: number }
  return name === 'ConfluentSchemaRegistryCompatibilityError' || status === 409
}

/** For what is of no use any more, such as a demo's subjects. Does what it can: never throws. */
export async function deleteSubjects(url: string, timeout_ms: number, subjects: readonly string[]): Promise<void> {
  const remove = async (subject: string): Promise<void> => {
    const path = `/subjects/${encodeURIComponent(subject)}`
    await ask(url, timeout_ms, 'DELETE', path) // only marks it
    await ask(url, timeout_ms, 'DELETE', `${path}?permanent=true`)
  }
  await Promise.allSettled(subjects.map(remove))
}

/** The first field, dotted, that cannot be written with the schema; undefined where all can. Never shows a value. */
export function misfit(schema: object, value: object): string | undefined {
  const fields: string[] = []
  const type = avsc.Type.forSchema(schema as never)
  if (type.isValid(value, { errorHook: (path) => void fields.push(path.join('.')) })) return undefined
  return fields[0] || 'it'
}

/** Throws SL301 where nothing answers that is a registry and lets us in. */
async function ask(
  url: string,
  timeout_ms: number,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<Answer> {
  const { username, password, origin, pathname } = new URL(url)
  const login = username ? { authorization: `Basic ${btoa(`${username}:${password}`)}` } : {}
  let answer: Answer
  try {
    const response = await fetch(`${origin}${pathname.replace(/\/$/, '')}${path}`, {
      method,
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json', ...login },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(timeout_ms),
      redirect: 'error',
    })
    answer = { status: response.status, body: await response.json() }
  } catch (error) {
    throw new SluiceError('SL301', `no answer from ${hostOf(url)}`, { cause: error })
  }
  if (answer.status >= 500 || answer.status === 401 || answer.status === 403)
    throw new SluiceError('SL301', `${hostOf(url)} answers with status ${answer.status}`)
  return answer
}
