// Reads what a task says to the LLM: its prompt (Markdown with slots) and the labelled examples that it may show.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { examplePool } from '../../core/llm/examples.ts'
import { parsePromptTemplate } from '../../core/llm/prompt-template.ts'
import type { LabelSet } from '../../core/labels.ts'
import type { PromptExample } from '../../core/llm/examples.ts'
import type { Task } from '../../core/task.ts'

/** Those that come with Sluice. */
const SHIPPED = fileURLToPath(new URL('../../../prompts', import.meta.url))
/** All of them are compared with every item of a call. */
const EXAMPLES_MAX = 5_000

export const promptSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]*$/, 'small letters, digits and "-"; without ".md"')
      .default('classify')
      .describe("the prompt <name>.md, in the task's folder or among those that come with Sluice (prompts/)"),
    examples: z
      .string()
      .optional()
      .describe('file with labelled rows ({"<segment>", …, "label"}, one a line): those most like the items are shown'),
    examples_max: z.int().min(0).max(50).default(6).describe('examples in one call, at most'),
  })
  .prefault({})
  .describe('what the LLM reads')

/** `dir`: the task's folder. Throws SL101 where a file is not valid, SL102 where it cannot be read. */
export async function readPrompt(
  { name, examples, examples_max }: z.output<typeof promptSchema>,
  dir: string,
  segments: Task['segments'],
  labels: LabelSet,
): Promise<Pick<Task, 'prompt' | 'examples'>> {
  const own = join(dir, `${name}.md`)
  const file = existsSync(own) ? own : join(SHIPPED, `${name}.md`)
  const [source, rules] = await Promise.all([textOf(file), textOf(join(SHIPPED, 'rules.md'))])
  try {
    const prompt = parsePromptTemplate(source, rules)
    const rows = examples === undefined ? [] : await readExamples(join(dir, examples), segments, labels)
    return { prompt, examples: examplePool(rows, examples_max) }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new SluiceError('SL101', `${file}: ${error.message}`, { cause: error })
  }
}

async function readExamples(file: string, segments: Task['segments'], labels: LabelSet): Promise<PromptExample[]> {
  const lines = (await textOf(file)).split('\n')
  const known = pathIndex(labels)
  const rows = lines.flatMap((line, at): PromptExample[] => {
    if (line.trim() === '') return []
    const bad = (why: string) => new SluiceError('SL101', `${file}, line ${at + 1}: ${why}`)
    const row = objectOf(line)
    if (row === undefined) throw bad('not a JSON object')
    const label = [row['label']].flat()
    if (!label.every((it) => typeof it === 'string') || !known.has(pathKey(label)))
      throw bad('its label is not in the label set')
    const texts = segments.map(({ name }) => row[name])
    return [{ segments: texts.map((text) => (typeof text === 'string' ? text : '')), label }]
  })
  if (rows.length > EXAMPLES_MAX) throw new SluiceError('SL101', `${file}: more than ${EXAMPLES_MAX} examples`)
  return rows
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new SluiceError('SL102', file, { cause: error })
  })
}
