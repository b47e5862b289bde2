// Reads topics/*.yaml and the schemas they name. Names on the broker get the configured prefix here and nowhere else.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import type { TopicFormat } from '../../ports/codec.ts'
import { readYaml } from './yaml.ts'

const ROLES = ['results', 'fallback', 'labels', 'reviews', 'dead-letters', 'calls'] as const

export const topicSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/)
    .describe('name on the broker, without the prefix'),
  description: z.string().describe('what the topic is for, in a sentence'),
  key: z.string().describe('what the record key is'),
  format: z.enum(['avro', 'json', 'raw']).default('avro').describe('raw: bytes as they came'),
  schema: z.string().optional().describe('file under topics.schemas_dir; not for `format: raw`'),
  partitions: z.int().positive().describe('fixed once the topic is there: keys would move'),
  replication: z.int().min(-1).default(-1).describe("-1: the broker's default"),
  writers: z.array(z.string()).describe('roles of Sluice that write it, or who else does'),
  readers: z.array(z.string()).describe('roles of Sluice that read it, or who else does'),
  config: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe("the topic's configuration on the broker, by Kafka's names"),
})

export interface Topic extends Omit<z.output<typeof topicSchema>, 'schema'> {
  /** What configuration and tasks call it: the file's name. */
  readonly alias: string
  /** Parsed Avro schema. */
  readonly avro: object | undefined
}

/** By alias. Throws SL103 where a file is not valid or one of the topics of ours is missing. */
export async function readTopics(
  dir: string,
  schemasDir: string,
  prefix: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ReadonlyMap<string, Topic>> {
  const files = await readdir(dir).catch((error: unknown) => {
    throw new SluiceError('SL102', dir, { cause: error })
  })
  const topics = new Map<string, Topic>()
  for (const file of files.filter((name) => name.endsWith('.yaml')).sort()) {
    const { schema, ...topic } = await readYaml(join(dir, file), topicSchema, env, 'SL103')
    if (topic.format === 'avro' && !schema)
      throw new SluiceError('SL103', `${join(dir, file)}: format avro needs a schema`)
    const alias = file.slice(0, -'.yaml'.length)
    const avro = schema === undefined ? undefined : await readSchema(join(schemasDir, schema))
    topics.set(alias, { ...topic, name: prefix + topic.name, alias, avro })
  }
  const missing = ROLES.filter((alias) => !topics.has(alias))
  if (missing.length > 0)
    throw new SluiceError('SL103', `${dir} has no ${missing.map((it) => `${it}.yaml`).join(', ')}`)
  return topics
}

async function readSchema(file: string): Promise<object> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SluiceError('SL102', file, { cause: error })
  })
  try {
    return JSON.parse(text) as object
  } catch (error) {
    throw new SluiceError('SL103', `${file}: not JSON`, { cause: error })
  }
}

/** What a codec must know; schemas of topics that only the shop writes are the shop's. */
export function formatsOf(topics: ReadonlyMap<string, Topic>): TopicFormat[] {
  return [...topics.values()].flatMap(({ name, format, avro, writers }) => {
    if (format === 'raw') return []
    const ours = writers.some((writer) => writer !== 'shop')
    return [{ topic: name, format, ...(ours && avro ? { writes: avro } : {}) }]
  })
}
