// Kafka's jars, a formatted empty data folder and a class-data archive, made once and kept in the user's cache
// folder by version and digest. Each part appears there whole, by a rename, or not at all.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../paths.ts'
import { removeAtExit, run, SetupError } from '../process.ts'
import type { Say } from '../process.ts'
import type { Java } from './java.ts'
import { kafkaSource, writeProperties } from './kafka-config.ts'
import { aptInstall, installHint, which } from './system.ts'

const MAVEN_TIMEOUT_MS = 10 * 60_000
const FORMAT_TIMEOUT_MS = 60_000
const MAVEN_LINES_SHOWN = 5
/** Any 22 characters of base64url that decode to a UUID; every broker started here is alone, so all may share it. */
const CLUSTER_ID = 'c2x1aWNlLWRldi1zdGFjaw'

export type KafkaCache = {
  readonly folder: string
  readonly classpath: string
  /** The files of a freshly formatted data folder. */
  readonly template: string
}

export async function prepareKafka(java: Java, say: Say): Promise<KafkaCache> {
  const parts = ['pom.xml', 'jars.sha256'].map((name) => readFileSync(join(kafkaSource, name), 'utf8'))
  const version = /<kafka\.version>(.+)<\/kafka\.version>/.exec(parts[0] ?? '')?.[1] ?? 'unknown'
  const digest = createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12)
  const folder = join(cacheFolder(), `kafka-${version}-${digest}`)
  if (!existsSync(folder)) await fill(folder, version, java, say)
  return { folder, classpath: classpath(join(folder, 'libs')), template: join(folder, 'template') }
}

/** Sorted, because a class-data archive is only good for the very classpath it was made with. */
function classpath(libs: string): string {
  const jars = readdirSync(libs).filter((name) => name.endsWith('.jar'))
  return jars
    .sort()
    .map((name) => join(libs, name))
    .join(':')
}

async function fill(folder: string, version: string, java: Java, say: Say): Promise<void> {
  const maven = which('mvn') ?? ((await aptInstall(['maven'], say)) ? which('mvn') : undefined)
  if (maven === undefined) {
    throw new SetupError(`Maven is missing (it fetches Kafka ${version} once): ${installHint('maven', 'maven')}`)
  }
  say(`fetching Kafka ${version} from Maven Central into the cache folder (46 MB, once)`)
  mkdirSync(cacheFolder(), { recursive: true })
  const draft = mkdtempSync(`${folder}.draft-`)
  const keep = removeAtExit(draft)
  try {
    await copyJars(maven, draft)
    checkDigests(join(draft, 'libs'))
    await format(draft, java)
    publish(draft, folder)
  } finally {
    keep()
    rmSync(draft, { recursive: true, force: true })
  }
}

async function copyJars(maven: string, draft: string): Promise<void> {
  copyFileSync(join(kafkaSource, 'pom.xml'), join(draft, 'pom.xml'))
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(draft, 'libs')}`]
  const result = await run(maven, ['-q', '-B', '-C', ...goal], { cwd: draft, timeout_ms: MAVEN_TIMEOUT_MS })
  if (result.code === 0) return
  const why = result.code === undefined ? 'no end within 10 minutes' : `exit code ${result.code}`
  const said = result.output.trim().split('\n').slice(0, MAVEN_LINES_SHOWN).join('\n    ')
  throw new SetupError(
    `Maven could not fetch Kafka's jars (${why}); is Maven Central reachable from here?\n    ${said}`,
  )
}

/** The jars are exactly those of jars.sha256, byte for byte. */
function checkDigests(libs: string): void {
  const sum = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(libs, name)))
      .digest('hex')
  const lines = readdirSync(libs)
    .sort()
    .map((name) => `${sum(name)}  ${name}`)
  const wanted = new Set(readFileSync(join(kafkaSource, 'jars.sha256'), 'utf8').trim().split('\n'))
  const strange = lines.find((line) => !wanted.has(line))
  if (strange !== undefined || lines.length !== wanted.size) {
    throw new SetupError(
      `Kafka's jars are not those of scripts/stack/kafka/jars.sha256: ${strange ?? 'one is missing'}`,
    )
  }
}

/** Kafka's own tool makes the first files of a data folder; they hold no port and can be copied for each start. */
async function format(draft: string, java: Java): Promise<void> {
  const template = join(draft, 'template')
  const config = join(draft, 'format.properties')
  writeProperties(config, { port: 1, controllerPort: 2, data: template })
  const args = ['-cp', classpath(join(draft, 'libs')), 'kafka.tools.StorageTool', 'format']
  const options = ['--cluster-id', CLUSTER_ID, '--config', config]
  const result = await run(java.command, [...args, ...options], { cwd: draft, timeout_ms: FORMAT_TIMEOUT_MS })
  if (result.code !== 0) throw new SetupError(`Kafka's storage tool failed:\n    ${result.output.trim()}`)
}

function publish(draft: string, folder: string): void {
  try {
    renameSync(draft, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error // another set-up may have been first, which is as good
  }
}
