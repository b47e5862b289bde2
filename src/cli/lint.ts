// `sluice lint`: reads the configuration and everything it names, and says whether it would start. Touches no server.
import { readChampion } from '../roles/local-model.ts'
import { load, parse } from './command.ts'
import { unpriced } from '../core/llm/budget.ts'

const HELP = `usage: sluice lint [--config FILE] [--json]

Checks sluice.yaml, topics/, schemas/, and each task with its label set and its model. Touches no server.
`

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {})
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const { config, topics, tasks } = await load(values.config)
  const checked = await Promise.all(
    tasks.map(async (file) => ({
      task: file.task.name,
      topic: topics.get(file.task.topic)!.name,
      labels: file.task.labels.paths.length,
      levels: file.task.labels.levels,
      model: (await readChampion(file))?.digest,
    })),
  )
  const unbounded = unpriced(config.llm.budget, config.llm.providers)
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ ok: true, delivery: config.delivery, topics: topics.size, tasks: checked, unpriced: unbounded })}\n`,
    )
    return 0
  }
  for (const { task, topic, labels, levels, model } of checked) {
    const serves = model ? `model ${model}` : 'no model yet: everything goes to the fallback'
    process.stdout.write(`task ${task}: topic ${topic}, ${labels} labels in ${levels} levels, ${serves}\n`)
  }
  for (const provider of unbounded)
    process.stdout.write(
      `llm.budget: no limit in US dollars bounds calls to the provider "${provider}": llm.prices does not name its model (0 for one that costs nothing)\n`,
    )
  process.stdout.write(`${values.config} is good: ${topics.size} topics, ${tasks.length} tasks, ${config.delivery}\n`)
  return 0
}
