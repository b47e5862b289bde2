// Reads models/<task>/task.yaml and its label set: everything that makes a task. No task is named in code.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, parse, resolve } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import { labelSet, pathKey } from '../../core/labels.ts'
import { localOnly } from '../../core/local-only.ts'
import { FACTS } from '../../core/similar/clash.ts'
import { parseTemplate } from '../../core/template.ts'
import type { LabelSet } from '../../core/labels.ts'
import type { Task } from '../../core/task.ts'
import { promptSchema, readPrompt } from './prompts.ts'
import { readYaml } from './yaml.ts'

const template = z.string().transform((source, context) => {
  try {
    return parseTemplate(source)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

export const taskSchema = z.strictObject({
  topic: z.string().describe('alias of the input topic: the name of its file under topics/'),
  each: z.string().optional().describe('field that holds an array: one item per element'),
  entity: template.describe('what the item is called, e.g. "{id}"'),
  segments: z
    .record(z.string(), template)
    .refine((segments) => Object.keys(segments).length > 0, 'at least one segment is needed')
    .describe("the item's texts by name, in the order of the model's manifest"),
  labels: z.string().default('labels.json').describe('file with the label set'),
  describe: z.record(z.string(), z.string()).default({}).describe('what a label means, by "l1 > l2": for the LLM'),
  gate: z
    .strictObject({
      thresholds: z
        .array(z.number().min(0).max(1))
        .nonempty()
        .describe('one per level, l1 first: an answer is sure where every level has at least this probability'),
    })
    .optional()
    .describe("when an answer is sure; default: the thresholds of the model's manifest"),
  tiers: z
    .array(z.enum(['exact', 'local', 'similar']))
    .refine((tiers) => new Set(tiers).size === tiers.length, 'a tier is named twice')
    .default(['exact', 'local', 'similar'])
    .describe('which tiers are asked, in order'),
  similar: z
    .strictObject({
      threshold: z.number().min(0.5).max(1).default(0.8).describe('Jaccard similarity of character trigrams, at least'),
      compare: z
        .enum(['together', 'each'])
        .default('each')
        .describe('each segment must be similar by itself, or all of them together as one text'),
      vetoes: z
        .array(z.enum(FACTS))
        .default([...FACTS])
        .describe('what must be equal in both texts, where the label depends on it'),
      audit_share: z.number().min(0).max(1).default(0.05).describe('share of hits passed on to measure false ones'),
      false_hits_max: z
        .number()
        .min(0)
        .max(1)
        .default(0.1)
        .describe('the tier is off while its false-hit rate is above'),
      local_min: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe('local answers at least this sure on every level are learned from too; absent: none are'),
      entries_max: z
        .int()
        .positive()
        .max(1_000_000)
        .default(50_000)
        .describe('texts held in the process, the oldest goes first; each reserves 256 to 512 bytes'),
      bytes_max: z
        .int()
        .positive()
        .default(134_217_728)
        .describe('bytes of texts held in the process, the oldest goes first'),
    })
    .prefault({})
    .describe('the tier `similar`: texts nearly the same as one that was answered'),
  local_only: z
    .strictObject({
      tenant: template.describe(
        'names the tenant of an item, e.g. "{shop}"; may be missing only where it says so: "{shop?}"',
      ),
      tenants: z
        .array(z.string().min(1).max(200))
        .nonempty()
        .max(10_000)
        .describe('those whose text must not leave; case and white space do not matter'),
    })
    .transform(({ tenant, tenants }, context) => {
      try {
        return localOnly(tenant, tenants)
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message })
        return z.NEVER
      }
    })
    .optional()
    .describe(
      'tenants whose text never goes into a prompt or into Redis: what no local tier is sure of goes to reviews',
    ),
  model: z.string().default('champion').describe('folder of the model; without it everything goes to the fallback'),
  instruction: z.string().describe('what the LLM is asked to do, in a sentence or two'),
  prompt: promptSchema,
})

const labelsSchema = z.object({ paths: z.array(z.array(z.string().min(1)).nonempty()).nonempty() })

export interface TaskFile {
  readonly task: Task
  /** The task's folder. */
  readonly dir: string
  readonly modelDir: string
  /** True where task.yaml sets thresholds: the manifest's then do not count. */
  readonly ownGate: boolean
}

export async function readTask(
  dir: string,
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<TaskFile> {
  const folder = join(dir, name)
  const file = join(folder, 'task.yaml')
  const read = await readYaml(file, taskSchema, env)
  const task = await taskFrom(read, name, file)
  return { task, dir: folder, modelDir: join(folder, read.model), ownGate: read.gate !== undefined }
}

const rubricSchema = taskSchema.partial({ topic: true, entity: true })
const NO_ENTITY = parseTemplate('')

/** A file like task.yaml in which topic and entity may be missing: a task that no stream runs, to be measured with. */
export async function readRubric(file: string, env: Readonly<Record<string, string | undefined>>): Promise<Task> {
  const read = await readYaml(file, rubricSchema, env)
  const name = /^task\.ya?ml$/.test(basename(file)) ? basename(dirname(resolve(file))) : parse(file).name
  return taskFrom({ ...read, topic: read.topic ?? '', entity: read.entity ?? NO_ENTITY }, name, file)
}

async function taskFrom(read: z.output<typeof taskSchema>, name: string, file: string): Promise<Task> {
  const labels = await readLabels(join(dirname(file), read.labels), read.describe)
  const thresholds = read.gate?.thresholds ?? []
  if (read.gate && thresholds.length !== labels.levels)
    throw new SluiceError(
      'SL101',
      `${file}: gate.thresholds has ${thresholds.length} numbers, the label set ${labels.levels} levels`,
    )
  const unknown = Object.keys(read.describe).find((key) => !labels.paths.some((path) => pathKey(path) === key))
  if (unknown !== undefined) throw new SluiceError('SL101', `${file}: describe: "${unknown}" is not in the label set`)
  const segments = Object.entries(read.segments).map(([segment, text]) => ({ name: segment, text }))
  return {
    name,
    topic: read.topic,
    each: read.each,
    entity: read.entity,
    segments,
    labels,
    labelsDigest: digestOf(labels),
    gate: { thresholds },
    order: read.tiers,
    similar: read.similar,
    ...(read.local_only ? { localOnly: read.local_only } : {}),
    instruction: read.instruction,
    ...(await readPrompt(read.prompt, dirname(file), segments, labels)),
  }
}

async function readLabels(file: string, descriptions: Readonly<Record<string, string>>): Promise<LabelSet> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SluiceError('SL102', file, { cause: error })
  })
  try {
    return labelSet(labelsSchema.parse(JSON.parse(text)).paths, descriptions)
  } catch (error) {
    throw new SluiceError('SL101', `${file}: not a label set ({"paths": [["l1","l2"], …]} with one depth)`, {
      cause: error,
    })
  }
}

/** 16 hex digits over the sorted paths: equal label sets have equal digests, whatever file they came from. */
function digestOf(labels: LabelSet): string {
  return createHash('sha256').update(JSON.stringify(labels.paths)).digest('hex').slice(0, 16)
}
