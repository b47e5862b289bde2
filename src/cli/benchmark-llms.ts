// The LLMs of `sluice benchmark`: by name from benchmark.yaml, or one by flags. Asks nothing; holds keys, shows none.
import { llmFromFlags, readBenchmark } from '../adapters/config/benchmark.ts'
import { openAiLlm } from '../adapters/openai/llm.ts'
import { closest } from '../core/closest.ts'
import { SluiceError } from '../core/error.ts'
import type { LlmEntry } from '../adapters/config/benchmark.ts'
import type { Task } from '../core/task.ts'
import type { LlmContestant } from '../learn/benchmark/ask-llm.ts'

export interface LlmFlags {
  readonly llm: readonly string[]
  readonly llms: string
  readonly 'base-url'?: string | undefined
  readonly 'llm-model'?: string | undefined
  readonly price?: string | undefined
  readonly 'api-key-env'?: string | undefined
  /** Calls at the same time; what the file says is then not used. */
  readonly concurrency?: number | undefined
}

interface Llms {
  readonly contestants: readonly LlmContestant[]
  readonly machineUsdPerHour: number | undefined
}

const BACKOFF = { backoff_ms: 500, backoff_max_ms: 20_000 }

/** Throws SL101 or SL102 for the file, SL104 for the flags; each names the key or the flag. */
export async function readLlms(
  flags: LlmFlags,
  task: Task,
  segment_chars_max: number,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Llms> {
  if (flags.llm.length === 0) return { contestants: [], machineUsdPerHour: undefined }
  const byFlags = ['base-url', 'llm-model', 'price', 'api-key-env'] as const
  const given = byFlags.filter((name) => flags[name] !== undefined)
  const { entries, machine, file } =
    given.length > 0 ? { ...oneByFlags(flags, env), machine: undefined } : await fromFile(flags, env)
  const contestants = Object.entries(entries).map(([name, entry]) => {
    const { items_per_call, output_tokens_max, timeout_ms, tries_max } = entry
    const calls_concurrently = flags.concurrency ?? entry.calls_concurrently
    return {
      name,
      llm: openLlm(name, entry, file),
      task: entry.rubric === undefined ? task : { ...task, instruction: entry.rubric },
      price: entry.prices,
      settings: JSON.stringify([entry.base_url, entry.temperature]),
      limits: {
        ...BACKOFF,
        items_per_call,
        calls_concurrently,
        output_tokens_max,
        timeout_ms,
        tries_max,
        segment_chars_max,
      },
    }
  })
  return { contestants, machineUsdPerHour: machine }
}

async function fromFile({ llm, llms: file }: LlmFlags, env: Readonly<Record<string, string | undefined>>) {
  const { llms, machine_usd_per_hour: machine } = await readBenchmark(file, env)
  const names = Object.keys(llms)
  const entries: Record<string, LlmEntry> = {}
  for (const name of llm) {
    if (!Object.hasOwn(llms, name)) {
      const near = closest(name, names)
      throw new SluiceError(
        'SL104',
        `no LLM "${name}" in ${file}${near ? ` (did you mean "${near}"?)` : ''}; there is ${names.join(', ') || 'none'}`,
      )
    }
    entries[name] = llms[name]!
  }
  return { entries, machine, file }
}

/** The key comes from the environment alone: a command line is for everyone to read. */
function oneByFlags(flags: LlmFlags, env: Readonly<Record<string, string | undefined>>) {
  if (flags.llm.length > 1)
    throw new SluiceError('SL104', 'flags describe one --llm; several stand in benchmark.yaml (--llms FILE)')
  if (flags.price === undefined)
    throw new SluiceError(
      'SL104',
      '--price INPUT,CACHED,OUTPUT is needed (US dollars per million tokens; 0,0,0 if free)',
    )
  const prices = flags.price.split(',').map((text) => (text.trim() === '' ? NaN : Number(text)))
  if (prices.length !== 3 || prices.some((price) => !(price >= 0)))
    throw new SluiceError('SL104', `--price ${flags.price}: three numbers are wanted, INPUT,CACHED,OUTPUT`)
  const variable = flags['api-key-env']
  if (variable !== undefined && !env[variable])
    throw new SluiceError('SL104', `--api-key-env ${variable}: this environment variable is not set`)
  const [input, cached_input, output] = prices
  const entry = llmFromFlags({
    base_url: flags['base-url'],
    model: flags['llm-model'] ?? flags.llm[0],
    api_key: variable === undefined ? '' : env[variable],
    prices: { input, cached_input, output },
  })
  return { entries: { [flags.llm[0]!]: entry }, file: 'the command line' }
}

function openLlm(name: string, { base_url, api_key, model, timeout_ms, temperature }: LlmEntry, file: string) {
  try {
    return openAiLlm({ base_url, api_key, model, timeout_ms, temperature })
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw new SluiceError(error.code, `${file}: llms.${name}.${error.message.replace(/^llm\./, '')}`, { cause: error })
  }
}
