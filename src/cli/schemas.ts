// `sluice schemas apply`: prints the plan, then registers what is new. Idempotent; refuses incompatible changes.
import { applySchemas, planSchemas } from '../adapters/registry/schemas.ts'
import { SluiceError } from '../core/error.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { load, parse } from './command.ts'
import { printPlan } from './apply.ts'

const HELP = `usage: sluice schemas apply [--dry-run] [--config FILE] [--json]

Registers the Avro schemas of all topics with \`format: avro\` (subject: <topic>-value, compatibility BACKWARD).
  --dry-run   print the plan only; exit code 1 where something is refused
`

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, { 'dry-run': { type: 'boolean', default: false } }, 1)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (positionals[0] !== 'apply')
    throw new SluiceError('SL104', 'what shall be done with the schemas? `sluice schemas apply`')
  return applyAllSchemas(await load(values.config), { dryRun: values['dry-run'], json: values.json })
}

export async function applyAllSchemas(
  { config, topics }: Deployment,
  options: { readonly dryRun: boolean; readonly json: boolean; readonly quiet?: boolean },
): Promise<number> {
  const schemas = [...topics.values()].flatMap(({ name, format, avro }) =>
    format === 'avro' && avro ? [{ subject: `${name}-value`, schema: avro }] : [],
  )
  if (schemas.length === 0) return 0
  const { url, timeout_ms } = config.registry
  const plan = await planSchemas(url, timeout_ms, schemas)
  if (!options.quiet)
    printPlan(
      plan.map(({ kind, subject, says }) => ({ kind, name: subject, says })),
      options.json,
    )
  if (!options.dryRun) await applySchemas(url, schemas, plan)
  return plan.some(({ kind }) => kind === 'refuse') ? 1 : 0
}
