// `sluice prompt`: the very requests that an LLM would get for some items, and how many tokens they are. Asks nobody.
import { openLocalModel } from '../roles/local-model.ts'
import { promptHash } from '../roles/fallback.ts'
import { SluiceError } from '../core/error.ts'
import { gateMiss } from '../core/gate.ts'
import { intake } from '../core/intake.ts'
import { callIds, open, plan } from '../core/llm/asking.ts'
import { calibrated } from '../core/llm/shortlist.ts'
import { redactor } from '../core/llm/redact.ts'
import { isSuspicious } from '../core/llm/suspicion.ts'
import { estimateTokens } from '../core/llm/tokens.ts'
import { promptDigest, renderPrompt } from '../core/prompt.ts'
import { silent } from '../ports/events.ts'
import { textHash } from '../tiers/exact.ts'
import { load, parse } from './command.ts'
import { openCounter } from './tokenizers.ts'
import type { Options } from './command.ts'
import type { Config } from '../adapters/config/schema.ts'
import type { TaskFile } from '../adapters/config/tasks.ts'
import type { Question } from '../core/llm/asking.ts'
import type { Prompt } from '../core/prompt.ts'
import type { Task } from '../core/task.ts'

const HELP = `usage: sluice prompt --task NAME --item JSON [--item JSON …] [--tokenizer NAME|FILE] [--json]

Prints the first requests that the LLM would get for these items, as the fallback role would send them: the local model
gives the short lists, items share calls, what is redacted is taken out. Sends nothing.

  --item JSON         an event of the task's topic, or {"SEGMENT": "text", …}; may be given again
  --tokenizer NAME    counts with a tokenizer.json: a file, or one of models/encoders.yaml by name ("deepseek"), which is
                      fetched once. Without it tokens are estimated. A provider adds a few of its own to each message.
`

const OPTIONS = {
  task: { type: 'string' },
  item: { type: 'string', multiple: true, default: [] },
  tokenizer: { type: 'string' },
} as const satisfies Options

const toStdout = (text: string) => void process.stdout.write(text)

/** `say`: where the page goes. */
export async function run(args: readonly string[], say = toStdout): Promise<number> {
  const { values } = parse(args, OPTIONS)
  if (values.help) {
    say(HELP)
    return 0
  }
  if (values.task === undefined || values.item.length === 0)
    throw new SluiceError('SL104', 'prompt needs --task NAME and --item JSON')
  const { config, tasks } = await load(values.config)
  const file = tasks.find(({ task }) => task.name === values.task)
  if (file === undefined)
    throw new SluiceError(
      'SL104',
      `no task "${values.task}"; there is ${tasks.map(({ task }) => task.name).join(', ')}`,
    )
  const texts = values.item.flatMap((json) => segmentsOf(file.task, json, config.limits))
  const { questions, sure } = await questionsOf(config, file, texts)
  const count = values.tokenizer === undefined ? estimateTokens : await openCounter(values.tokenizer)
  const requests = requestsOf(config, file.task, questions).map((request) => ({
    ...request,
    tokens: tokensOf(request, count),
  }))
  const { model } = config.llm.providers[0]!
  const about = { task: file.task.name, model, digest: promptDigest(file.task, model, promptHash), sure }
  const counted = values.tokenizer ?? 'estimated'
  say(values.json ? `${JSON.stringify({ ...about, counted, requests })}\n` : page(about, requests, counted))
  return 0
}

/** Texts of the items in one argument: an event, as the classify role reads it, or the segments themselves. */
function segmentsOf(task: Task, json: string, limits: Config['limits']): (readonly string[])[] {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw new SluiceError('SL104', `--item ${json}: no JSON: ${(error as Error).message}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null)
    throw new SluiceError('SL104', `--item ${json}: a JSON object is wanted`)
  const source = { topic: task.topic, partition: 0, offset: '0', timestamp_ms: 0 }
  const taken = intake(task, source, value, textHash, limits)
  const items = taken.flatMap((one) => ('segments' in one ? [one.segments] : []))
  if (items.length === taken.length) return items
  const named = task.segments.map(({ name }) => (value as Record<string, unknown>)[name])
  if (named.some((text) => typeof text === 'string'))
    return [named.map((text) => (typeof text === 'string' ? text : ''))]
  const [bad] = taken.filter((one) => 'reason' in one)
  const names = task.segments.map(({ name }) => name).join(', ')
  throw new SluiceError('SL104', `--item ${json}: ${bad!.reason} ${bad!.detail}; its segments are ${names}`)
}

/** `sure`: items that the local model would answer, so that no LLM is asked. */
async function questionsOf(config: Config, file: TaskFile, texts: readonly (readonly string[])[]) {
  const local = await openLocalModel(
    { config: { ...config, local: { ...config.local, workers: 1 } }, emit: silent },
    file,
  )
  try {
    const said = (await local?.model.classify(texts, { shortlist: config.local.shortlist })) ?? []
    const questions = texts.map((segments, at): Question => {
      const { shortlist = [], probabilities = [] } = said[at] ?? {}
      return {
        segments,
        shortlist: calibrated(shortlist, probabilities.at(-1) ?? 0),
        suspicious: isSuspicious(segments),
      }
    })
    const sure = said.filter((one) => {
      return one && local && gateMiss(local.gate, { ...one, tier: 'local', digest: local.digest }) === undefined
    })
    return { questions, sure: sure.length }
  } finally {
    await local?.model.close()
  }
}

interface Request extends Prompt {
  readonly items: number
}

function requestsOf({ llm }: Config, task: Task, questions: readonly Question[]): Request[] {
  const shown = { ...llm, hash: promptHash, redact: redactor(llm.redact) }
  return plan(open(task.labels, questions, llm)).map((call): Request => {
    const ids = callIds(call)
    const items = call.questions.map((index, at) => ({ id: ids[at]!, segments: questions[index]!.segments }))
    const choice = { labels: [...call.choices.steps.keys()], whole: call.choices.whole }
    return { items: items.length, ...renderPrompt(task, items, choice, shown) }
  })
}

interface Tokens {
  readonly system: number
  readonly user: number
  readonly schema: number
  readonly together: number
}

function tokensOf({ system, user, schema }: Prompt, count: (text: string) => number): Tokens {
  const parts = { system: count(system), user: count(user), schema: count(JSON.stringify(schema)) }
  return { ...parts, together: parts.system + parts.user + parts.schema }
}

function page(
  { task, model, digest, sure }: { task: string; model: string; digest: string; sure: number },
  requests: readonly (Request & { readonly tokens: Tokens })[],
  counted: string,
): string {
  const how = counted === 'estimated' ? 'about ' : ''
  const parts = requests.map(({ items, system, user, schema, outputTokensMax, tokens }, at) =>
    [
      `=== request ${at + 1} of ${requests.length}: ${items} ${items === 1 ? 'item' : 'items'}`,
      `--- system (${how}${tokens.system} tokens)\n${system}`,
      `--- user (${how}${tokens.user} tokens)\n${user}`,
      `--- response_format: json_schema, strict (${how}${tokens.schema} tokens)\n${JSON.stringify(schema)}`,
      `--- ${how}${tokens.together} tokens in, ${outputTokensMax} out at most`,
    ].join('\n\n'),
  )
  const total = requests.reduce((sum, { tokens }) => sum + tokens.together, 0)
  const items = requests.reduce((sum, one) => sum + one.items, 0)
  const last = [
    `task ${task}, model ${model}, prompt ${digest}`,
    `${how}${total} tokens for ${items} ${items === 1 ? 'item' : 'items'} (${counted === 'estimated' ? 'estimated; --tokenizer counts' : counted})`,
    ...(sure > 0 ? [`${sure} of them the local model would answer itself: no LLM is asked`] : []),
  ]
  return `${parts.join('\n\n')}\n\n${last.join('\n')}\n`
}
