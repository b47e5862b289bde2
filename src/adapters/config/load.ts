// One call reads everything a deployment is made of: sluice.yaml, its topics, its tasks. Nothing is started here.
import { dirname, resolve } from 'node:path'
import { readdir } from 'node:fs/promises'
import { closest } from '../../core/closest.ts'
import { sharesOf, tooSmall } from '../../core/llm/budget.ts'
import { SluiceError } from '../../core/error.ts'
import { configSchema } from './schema.ts'
import { readTask } from './tasks.ts'
import { readTopics } from './topics.ts'
import { readYaml } from './yaml.ts'
import type { Config } from './schema.ts'
import type { TaskFile } from './tasks.ts'
import type { Topic } from './topics.ts'

export interface Deployment {
  readonly config: Config
  readonly topics: ReadonlyMap<string, Topic>
  readonly tasks: readonly TaskFile[]
}

type Env = Readonly<Record<string, string | undefined>>

/** Paths in the file are relative to it. Throws SL101–SL103. */
export async function loadDeployment(file: string, env: Env): Promise<Deployment> {
  const config = await readYaml(file, configSchema, env)
  assertBudget(file, config)
  const base = dirname(resolve(file))
  const topics = await readTopics(
    resolve(base, config.topics.dir),
    resolve(base, config.topics.schemas_dir),
    config.kafka.topic_prefix,
    env,
  )
  const tasksDir = resolve(base, config.tasks.dir)
  await assertFolders(file, tasksDir, config.tasks.enabled)
  const tasks = await Promise.all(config.tasks.enabled.map((name) => readTask(tasksDir, name, env)))
  for (const { task } of tasks) {
    if (!topics.has(task.topic))
      throw new SluiceError('SL101', `task ${task.name}: no file for topic "${task.topic}" in ${config.topics.dir}/`)
  }
  return { config, topics, tasks }
}

/** A budget that no call fits in would let every item wait for ever; one of a task that is none would bound nothing. */
function assertBudget(file: string, { llm, redis, tasks }: Config): void {
  const stranger = Object.keys(llm.budget.tasks).find((task) => !tasks.enabled.includes(task))
  if (stranger !== undefined) {
    const near = closest(stranger, tasks.enabled)
    const meant = near ? ` (did you mean "${near}"?)` : ''
    throw new SluiceError('SL101', `${file}: llm.budget.tasks: "${stranger}" is not in tasks.enabled${meant}`)
  }
  const { shared, own } = sharesOf(redis.url !== '', llm.budget.processes_max)
  const prices = llm.providers.map(({ price }) => price)
  const small = tooSmall(llm.budget, Math.max(shared, own), llm.output_tokens_max, prices)
  if (small === undefined) return
  const { limit, needs } = small
  const usd = ({ nanousd }: typeof needs) => Number((nanousd / 1e9).toPrecision(3))
  const dear = limit.max.tokens >= needs.tokens
  const part = dear ? `${usd(limit.max)} dollars` : `${limit.max.tokens} tokens`
  const cost = dear ? `cost ${usd(needs)} (` : 'take '
  throw new SluiceError(
    'SL101',
    `${file}: llm.budget: ${part} a ${limit.name} is this process's part, and one reply may ${cost}llm.output_tokens_max, ${llm.output_tokens_max}${dear ? ')' : ''}`,
  )
}

async function assertFolders(file: string, dir: string, names: readonly string[]): Promise<void> {
  const found = await readdir(dir).catch((): string[] => [])
  const missing = names.find((name) => !found.includes(name))
  if (missing === undefined) return
  const near = closest(missing, found)
  throw new SluiceError(
    'SL101',
    `${file}: tasks.enabled: no folder "${missing}" in ${dir}${near ? ` (did you mean "${near}"?)` : ''}`,
  )
}

export function brokersOf({ kafka }: Config): string[] {
  return kafka.brokers.split(',').map((broker) => broker.trim())
}
