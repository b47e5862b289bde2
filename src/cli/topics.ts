// `sluice topics apply`: prints the plan, then creates what is missing. Idempotent; refuses what would lose data.
import { connectAdmin, createKafkaClient } from '../adapters/kafka/client.ts'
import { applyTopics, planFor } from '../adapters/kafka/topics.ts'
import { SluiceError } from '../core/error.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { load, parse } from './command.ts'
import { kafkaSettings, printPlan } from './apply.ts'

const HELP = `usage: sluice topics apply [--dry-run] [--config FILE] [--json]

Creates the topics of topics/ and brings their configuration to what is written there.
  --dry-run   print the plan only; exit code 1 where something is refused
`

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, { 'dry-run': { type: 'boolean', default: false } }, 1)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (positionals[0] !== 'apply')
    throw new SluiceError('SL104', 'what shall be done with the topics? `sluice topics apply`')
  return applyAllTopics(await load(values.config), { dryRun: values['dry-run'], json: values.json })
}

export async function applyAllTopics(
  { config, topics }: Deployment,
  options: { readonly dryRun: boolean; readonly json: boolean; readonly quiet?: boolean },
): Promise<number> {
  const settings = kafkaSettings(config)
  const admin = await connectAdmin(createKafkaClient(settings), settings)
  try {
    const wanted = [...topics.values()].map(({ name, partitions, replication, config }) => ({
      name,
      partitions,
      replication,
      config: Object.fromEntries(Object.entries(config).map(([key, value]) => [key, String(value)])),
    }))
    const plan = await planFor(admin, wanted)
    if (!options.quiet)
      printPlan(
        plan.map(({ kind, topic, says }) => ({ kind, name: topic, says })),
        options.json,
      )
    if (!options.dryRun) await applyTopics(admin, wanted, plan)
    return plan.some(({ kind }) => kind === 'refuse') ? 1 : 0
  } finally {
    await admin.disconnect()
  }
}
