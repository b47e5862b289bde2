// What benchmark.yaml may hold: the large language models that a benchmark asks, and what they cost.
// The JSON Schema in schemas/benchmark.schema.json is generated from this file.
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import { readYaml } from './yaml.ts'

const usd = (says: string) =>
  z.number({ error: 'US dollars per million tokens, a number; 0 where it is free' }).nonnegative().describe(says)
const count = (value: number, max: number, says: string) => z.int().positive().max(max).default(value).describe(says)

/** Also the name of its file of answers. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}$/

const llmSchema = z.strictObject({
  base_url: z
    .string({ error: 'needed: an OpenAI-compatible endpoint, such as https://api.openai.com/v1' })
    .describe('OpenAI-compatible endpoint'),
  model: z.string({ error: 'needed: the name of the model at that endpoint' }).min(1).describe('name of the model'),
  api_key: z.string().default('').describe('give it as ${NAME_OF_A_VARIABLE}; never printed, never kept'),
  prices: z
    .strictObject(
      {
        input: usd('US dollars per million input tokens'),
        cached_input: usd('US dollars per million cached input tokens'),
        output: usd('US dollars per million output tokens'),
      },
      'needed, for the cost and the budget: { input, cached_input, output } in US dollars per million tokens, 0 where it is free',
    )
    .describe('what the provider charges'),
  temperature: z.number().min(0).max(2).default(0).describe('a model that takes none is asked without'),
  rubric: z
    .string()
    .min(1)
    .optional()
    .describe('what this LLM is told to do; default: the instruction of the task. The labels are the same for all'),
  items_per_call: count(1, 100, 'items in one call'),
  calls_concurrently: count(4, 256, 'calls at the same time'),
  output_tokens_max: count(
    2000,
    1_000_000,
    'tokens of one reply, reasoning included; what is cut there is no valid answer',
  ),
  timeout_ms: count(60_000, 3_600_000, 'for one call (milliseconds)'),
  tries_max: count(5, 100, 'tries of a call that nobody answers, after which this LLM is out of the run'),
})

export const benchmarkSchema = z.strictObject({
  machine_usd_per_hour: z
    .number()
    .positive()
    .optional()
    .describe('what the machine of the local models costs; without it they cost nothing'),
  llms: z
    .record(z.string(), llmSchema)
    .refine(
      (llms) => Object.keys(llms).every((name) => NAME.test(name)),
      'a name is letters, digits and _ . : @ -, 64 at most',
    )
    .default({})
    .describe('the LLMs that --llm may name'),
})

export type BenchmarkConfig = z.output<typeof benchmarkSchema>
export type LlmEntry = z.output<typeof llmSchema>

/** Throws SL102 where the file cannot be read, SL101 with file, line and key where it is not valid. */
export function readBenchmark(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<BenchmarkConfig> {
  return readYaml(file, benchmarkSchema, env)
}

/** One LLM as it was given by flags: same defaults, same checks, the same remedies. Throws SL101 naming the key. */
export function llmFromFlags(given: Readonly<Record<string, unknown>>): LlmEntry {
  const parsed = llmSchema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new SluiceError(
    'SL101',
    parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  )
}
