// A Kafka broker as a child process, from the jars in the cache: KRaft, one node, small heap, a data folder of its
// own under the system's temporary folder. For development and tests; it keeps nothing past its stack.
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { removeAtExit } from '../process.ts'
import type { Say } from '../process.ts'
import { findJava } from './java.ts'
import type { Java } from './java.ts'
import { prepareKafka } from './kafka-cache.ts'
import type { KafkaCache } from './kafka-cache.ts'
import { kafkaSource, writeProperties } from './kafka-config.ts'
import { freePort } from './ports.ts'
import { startServer } from './server.ts'
import type { LocalServer, ServerSpec } from './server.ts'

export type BrokerOptions = {
  /** Full compilation instead of a fast start: for measuring. */
  readonly throughput: boolean
  readonly say: Say
}

type Place = { readonly folder: string; readonly port: number; readonly config: string; remove(): void }

const READY = /Kafka Server started/
const READY_TIMEOUT_MS = 60_000
const ARCHIVE_TIMEOUT_MS = 60_000

/** Prepares what a broker needs (slow once, then nothing to do) and starts one on a free port. */
export async function startBroker({ throughput, say }: BrokerOptions): Promise<LocalServer> {
  const java = await findJava(say)
  const cache = await prepareKafka(java, say)
  const jit = throughput ? [] : ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
  const flags = [...(await classDataArchive(java, cache, say)), ...jit]
  const place = await layOut(cache)
  const spec = serverSpec(java, cache, place, flags, say)
  let server = await startServer(spec)
  return {
    address: `127.0.0.1:${place.port}`,
    async start() {
      server = await startServer(spec)
    },
    kill: () => server.kill(),
    async remove() {
      await server.kill()
      place.remove()
    },
  }
}

/** A fresh data folder and free ports for one broker. */
async function layOut(cache: KafkaCache): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  const forget = removeAtExit(folder)
  const data = join(folder, 'data')
  cpSync(cache.template, data, { recursive: true })
  const port = await freePort()
  const config = join(folder, 'server.properties')
  writeProperties(config, { port, controllerPort: await freePort(), data })
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
    forget()
  }
  return { folder, port, config, remove }
}

function serverSpec(java: Java, cache: KafkaCache, place: Place, flags: readonly string[], say: Say): ServerSpec {
  const logging = `-Dlog4j2.configurationFile=${pathToFileURL(join(kafkaSource, 'log4j2.properties'))}`
  return {
    name: 'Kafka',
    command: java.command,
    args: [...flags, '-Xms128m', '-Xmx512m', logging, '-cp', cache.classpath, 'kafka.Kafka', place.config],
    folder: place.folder,
    ready: READY,
    ready_timeout_ms: READY_TIMEOUT_MS,
    remedy: `Is there 1 GB of free memory? If it stays, remove ${cache.folder} and try again.`,
    say,
  }
}

/** The flags that use a class-data archive, which halves the start; made once for each build of Java. */
async function classDataArchive(java: Java, cache: KafkaCache, say: Say): Promise<string[]> {
  const archive = join(cache.folder, `classes-${java.id}.jsa`)
  if (existsSync(archive) || (await makeArchive(java, cache, archive, say))) {
    return [`-XX:SharedArchiveFile=${archive}`]
  }
  return []
}

/** Java writes the archive as a broker ends. Without it all works, only slower: a failure is told, never thrown. */
async function makeArchive(java: Java, cache: KafkaCache, archive: string, say: Say): Promise<boolean> {
  say('preparing a fast start of Kafka (once)')
  const place = await layOut(cache)
  const draft = `${archive}.${process.pid}`
  try {
    const server = await startServer(serverSpec(java, cache, place, [`-XX:ArchiveClassesAtExit=${draft}`], say))
    await server.end(ARCHIVE_TIMEOUT_MS)
    renameSync(draft, archive)
    return true
  } catch (error) {
    say(`Kafka will start slower, without a class-data archive: ${String(error).split('\n', 1)[0]}`)
    return false
  } finally {
    rmSync(draft, { force: true })
    place.remove()
  }
}
