// A deployment of a test's own in a temporary folder: sluice.yaml, topics and tasks under a prefix that no other test
// has, small, and changed as the test asks. Must never touch topics or groups of another deployment.
import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { loadDeployment } from '../../src/adapters/config/load.ts'
import { openSender } from '../../src/cli/produce.ts'
import { applyAllSchemas } from '../../src/cli/schemas.ts'
import { applyAllTopics } from '../../src/cli/topics.ts'
import type { Row } from '../../src/cli/produce.ts'
import { sleep } from './stack.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

type Settings = Readonly<Record<string, unknown>>

export interface DeploymentOptions {
  readonly tasks: readonly string[]
  /** Keys of sluice.yaml beside those every test deployment has; groups are merged. */
  readonly settings?: Readonly<Record<string, Settings | string | number>>
  /** Changes to topic files by alias; a new alias makes a new file. */
  readonly topics?: Readonly<Record<string, Settings>>
  /** Files under tasks/ beside the copies of models/: path → content. */
  readonly files?: Readonly<Record<string, string>>
  /** Thresholds by task: looser ones than the model's own make more answers local. */
  readonly gates?: Readonly<Record<string, readonly number[]>>
  /** Tasks without their model: every item goes to the fallback. */
  readonly withoutModel?: boolean
}

export interface TestDeployment {
  readonly folder: string
  /** Path of its sluice.yaml. */
  readonly config: string
  /** The topic's name on the broker. */
  topic(alias: string): string
  classifyGroup(task: string): string
  readonly fallbackGroup: string
  /** Creates the topics and registers the schemas. */
  apply(): Promise<void>
  /** Sends rows as `sluice produce` does. */
  produce(alias: string, rows: readonly Row[]): Promise<void>
  /** Sends rows at an even pace until there are no more or `signal` is aborted. */
  trickle(alias: string, rows: readonly Row[], rows_a_second: number, signal: AbortSignal): Promise<void>
  remove(): Promise<void>
}

/** Small, and quick to notice a member that is gone: 6 s is the least that brokers allow. */
const KAFKA: Settings = {
  brokers: '${SLUICE_KAFKA:-127.0.0.1:9092}',
  session_timeout_ms: 6_000,
  heartbeat_interval_ms: 500,
  fetch_wait_ms: 100,
}
const OUTCOME_TOPICS = ['results', 'fallback', 'labels', 'reviews', 'dead-letters']

export async function createDeployment(name: string, options: DeploymentOptions): Promise<TestDeployment> {
  const folder = await mkdtemp(join(tmpdir(), `sluice-${name}-`))
  const prefix = `${name}-${randomBytes(3).toString('hex')}`
  await writeTopics(join(folder, 'topics'), options.topics ?? {})
  await writeTasks(join(folder, 'tasks'), options)
  const base: Readonly<Record<string, Settings>> = {
    kafka: { ...KAFKA, topic_prefix: `${prefix}.`, group_prefix: prefix },
    registry: { url: '${SLUICE_REGISTRY:-http://127.0.0.1:8081}' },
    tasks: { dir: 'tasks', enabled: options.tasks },
    topics: { dir: 'topics', schemas_dir: join(ROOT, 'schemas') },
    local: { workers: 1 },
    http: { port: 0 },
    log: { level: 'debug' },
  }
  const settings: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(options.settings ?? {}))
    settings[key] = typeof value === 'object' ? { ...base[key], ...value } : value
  const config = join(folder, 'sluice.yaml')
  await writeFile(config, JSON.stringify(settings, undefined, 2)) // JSON is YAML

  const load = () => loadDeployment(config, process.env)
  async function send(
    alias: string,
    rows: readonly Row[],
    chunk: number,
    pause?: () => Promise<boolean>,
  ): Promise<void> {
    const sender = await openSender(await load(), alias)
    try {
      for (let start = 0; start < rows.length; start += chunk) {
        await sender.send(rows.slice(start, start + chunk), 'id')
        if ((await pause?.()) === true) return
      }
    } finally {
      await sender.close()
    }
  }
  return {
    folder,
    config,
    topic: (alias) => `${prefix}.${alias}`,
    classifyGroup: (task) => `${prefix}.classify.${task}`,
    fallbackGroup: `${prefix}.fallback`,
    async apply() {
      const quiet = { dryRun: false, json: false, quiet: true }
      const deployment = await load()
      await applyAllTopics(deployment, quiet)
      await applyAllSchemas(deployment, quiet)
    },
    produce: (alias, rows) => send(alias, rows, PRODUCE_CHUNK),
    trickle: (alias, rows, rows_a_second, signal) =>
      send(alias, rows, rows_a_second / TICKS_A_SECOND, () => sleep(1_000 / TICKS_A_SECOND).then(() => signal.aborted)),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

const PRODUCE_CHUNK = 1_000
const TICKS_A_SECOND = 20

async function writeTopics(folder: string, changes: Readonly<Record<string, Settings>>): Promise<void> {
  await mkdir(folder)
  const shipped = (await readdir(join(ROOT, 'topics'))).map((file) => file.replace(/\.yaml$/, ''))
  for (const alias of new Set([...shipped, ...Object.keys(changes)])) {
    const text = shipped.includes(alias) ? await readFile(join(ROOT, 'topics', `${alias}.yaml`), 'utf8') : '{}'
    const partitions = OUTCOME_TOPICS.includes(alias) ? 2 : 4
    const topic = { ...(parse(text) as Settings), name: alias, partitions, ...changes[alias] }
    await writeFile(join(folder, `${alias}.yaml`), JSON.stringify(topic))
  }
}

async function writeTasks(folder: string, options: DeploymentOptions): Promise<void> {
  await mkdir(folder)
  for (const task of options.tasks) {
    const shipped = join(ROOT, 'models', task)
    await cp(shipped, join(folder, task), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error // a task of the test's own
    })
    if (options.withoutModel) await rm(join(folder, task, 'champion'), { recursive: true, force: true })
    const thresholds = options.gates?.[task]
    if (thresholds) await setGate(join(folder, task, 'task.yaml'), thresholds)
  }
  for (const [path, content] of Object.entries(options.files ?? {})) {
    await mkdir(join(folder, path, '..'), { recursive: true })
    await writeFile(join(folder, path), content)
  }
}

async function setGate(file: string, thresholds: readonly number[]): Promise<void> {
  const task = parse(await readFile(file, 'utf8')) as Settings
  await writeFile(file, JSON.stringify({ ...task, gate: { thresholds } }))
}
