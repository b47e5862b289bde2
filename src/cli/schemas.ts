// `sluice schemas apply`: prints the plan, then registers what is new. Idempotent; refuses incompatible changes.
import { applySchemas, planSchemas } from '../adapters/registry/schemas.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { SubjectSchema } from '../adapters/registry/schemas.ts'
import { applyVerb, carryOut } from './apply.ts'
import type { ApplyOptions } from './apply.ts'

const HELP = `usage: sluice schemas apply [--dry-run] [--config FILE] [--json]

Registers the Avro schemas of all topics with \`format: avro\` (subject: <topic>-value, compatibility BACKWARD).
  --dry-run   print the plan only; exit code 1 where something is refused
`

export const run = applyVerb('schemas', HELP, applyAllSchemas)

export async function applyAllSchemas({ config, topics }: Deployment, options: ApplyOptions): Promise<number> {
  const schemas = schemasOf(topics)
  if (schemas.length === 0) return 0
  const { url, timeout_ms } = config.registry
  const plan = await planSchemas(url, timeout_ms, schemas)
  const lines = plan.map(({ kind, subject, says }) => ({ kind, name: subject, says }))
  return carryOut(lines, options, () => applySchemas(url, schemas, plan))
}

export function schemasOf(topics: Deployment['topics']): SubjectSchema[] {
  return [...topics.values()].flatMap(({ name, format, avro }) =>
    format === 'avro' && avro ? [{ subject: `${name}-value`, schema: avro }] : [],
  )
}
