// Registers schemas in a deploy step; the roles only look them up. A change that old readers cannot follow is refused.
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

/** Asks the registry what each schema would be: new, known, a compatible change or a refusal. Throws SL301. */
export async function planSchemas(
  url: string,
  timeout_ms: number,
  schemas: readonly SubjectSchema[],
): Promise<SchemaStep[]> {
  const ask = (path: string, schema: object): Promise<Answer> =>
    post(url, timeout_ms, path, { schema: JSON.stringify(schema) })
  const steps: SchemaStep[] = []
  for (const { subject, schema } of schemas) {
    const name = encodeURIComponent(subject)
    const known = await ask(`/subjects/${name}`, schema)
    if (known.status === 200) {
      steps.push({ kind: 'keep', subject, says: `version ${String((known.body as { version?: number }).version)}` })
      continue
    }
    const test = await ask(`/compatibility/subjects/${name}/versions/latest?verbose=true`, schema)
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
    await registry.register({ type: 'AVRO', schema: JSON.stringify(schema) } as never, {
      subject,
      compatibility: COMPATIBILITY.BACKWARD,
    })
  }
}

async function post(url: string, timeout_ms: number, path: string, body: object): Promise<Answer> {
  const { username, password, origin, pathname } = new URL(url)
  const login = username ? { authorization: `Basic ${btoa(`${username}:${password}`)}` } : {}
  try {
    const response = await fetch(`${origin}${pathname.replace(/\/$/, '')}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json', ...login },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeout_ms),
      redirect: 'error',
    })
    return { status: response.status, body: await response.json() }
  } catch (error) {
    throw new SluiceError('SL301', `no answer from ${hostOf(url)}`, { cause: error })
  }
}
