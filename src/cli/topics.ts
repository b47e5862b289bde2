// `sluice topics apply`: prints the plan, then creates what is missing. Idempotent; refuses what would lose data.
import { connectAdmin, createKafkaClient } from '../adapters/kafka/client.ts'
import { applyTopics, planFor } from '../adapters/kafka/topics.ts'
import type { Deployment } from '../adapters/config/load.ts'
import { applyVerb, carryOut, kafkaSettings } from './apply.ts'
import type { ApplyOptions } from './apply.ts'

const HELP = `usage: sluice topics apply [--dry-run] [--config FILE] [--json]

Creates the topics of topics/ and brings their configuration to what is written there.
  --dry-run   print the plan only; exit code 1 where something is refused
`

export const run = applyVerb('topics', HELP, applyAllTopics)

export async function applyAllTopics({ config, topics }: Deployment, options: ApplyOptions): Promise<number> {
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
    const lines = plan.map(({ kind, topic, says }) => ({ kind, name: topic, says }))
    return await carryOut(lines, options, () => applyTopics(admin, wanted, plan))
  } finally {
    await admin.disconnect()
  }
}
