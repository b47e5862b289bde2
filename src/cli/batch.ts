// `sluice batch`: labels many items by the provider's Batch API, at its lower price, within a day. Each run may be
// interrupted anywhere and done again; nothing that was answered is asked, or paid for, twice.
import { join } from 'node:path'
import { systemClock } from '../adapters/clock.ts'
import { openBatchStore } from '../adapters/files/batch-store.ts'
import { openCallStore } from '../adapters/files/call-store.ts'
import { openAiBatches } from '../adapters/openai/batches.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { SluiceError } from '../core/error.ts'
import { callIds, open } from '../core/llm/asking.ts'
import { redactor } from '../core/llm/redact.ts'
import { promptDigest, renderPrompt } from '../core/prompt.ts'
import { silent } from '../ports/events.ts'
import { LlmRejected, LlmUnavailable } from '../ports/llm.ts'
import { openLocalModel } from '../roles/local-model.ts'
import { createBatchWork } from '../tiers/llm-batch.ts'
import { hash, questionsOf, readEntries, readItems, shortlisted, writeEntries, writeOutcome } from './batch/folder.ts'
import { load, numberOf, parse } from './command.ts'
import type { Deployment } from '../adapters/config/load.ts'
import type { TaskFile } from '../adapters/config/tasks.ts'
import type { Item } from '../core/item.ts'
import type { AskLimits } from '../core/llm/asking.ts'
import type { BatchStanding } from '../ports/llm-batch.ts'
import type { BatchWork, TakenIn } from '../tiers/llm-batch.ts'
import type { Entry } from './batch/folder.ts'
import type { Options } from './command.ts'

const HELP = `usage: sluice batch submit --out DIR [--task NAME --data FILE…] [--provider NAME] [--budget USD] [--json]
       sluice batch status|harvest --out DIR [--json]
       sluice batch run --out DIR [--task NAME --data FILE…] [--provider NAME] [--budget USD] [--poll SECONDS] [--json]

Labels items by the LLM provider's Batch API: half the price at most providers, answers within a day. FILE holds events of
the task's topic (.jsonl, .jsonl.gz). They are asked with the prompts of the fallback, with short lists of the local model,
and answers are checked in the same way. What a first answer leaves open is asked again by the next submit.

  submit     hands in what is to be asked and no batch is asking; the first time with --task and --data
  status     how the batches stand
  harvest    takes in what was answered; writes DIR/labels.jsonl and DIR/reviews.jsonl
  run        all of it, until every item has its label or goes to review

  --out DIR          holds the items, what was answered, the batches, the labels; the same command goes on where it stopped
  --provider NAME    one of llm.providers (default: the first)
  --budget USD       what may be spent in all (default 1); the worst case of what is to be handed in must fit
  --poll SECONDS     between two looks (default 30)
  --settle SECONDS   how long after a crash a batch may be missing from the provider's list (default 60)

Exit codes: 0 good, 1 something failed or the budget does not reach, 2 wrong usage or configuration.
`

const OPTIONS = {
  task: { type: 'string' },
  data: { type: 'string', multiple: true, default: [] },
  out: { type: 'string' },
  provider: { type: 'string' },
  budget: { type: 'string', default: '1' },
  poll: { type: 'string', default: '30' },
  settle: { type: 'string', default: '60' },
} as const satisfies Options

/** Small enough to be taken in whole, large enough that a million items are a few dozen. */
const PART = { requests_max: 2_000, bytes_max: 64 * 1_048_576 }
const FILE_TIMEOUT_MS = 600_000

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values']

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, 1)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const verb = positionals[0]
  if (verb !== 'submit' && verb !== 'status' && verb !== 'harvest' && verb !== 'run')
    throw new SluiceError('SL104', 'batch needs one of submit, status, harvest, run')
  if (values.out === undefined) throw new SluiceError('SL104', 'batch needs --out DIR')
  const job = await openJob(values, values.out)
  try {
    const never = new AbortController().signal
    if (verb === 'submit') return await job.tell({ handedIn: await inOurWords(() => job.work.submit(never)) })
    if (verb === 'status') return await job.tell({})
    if (verb === 'harvest') return await job.tell({ taken: await inOurWords(() => job.work.harvest(never)) })
    return await runAll(job, numberOf('poll', values.poll, { from: 0 }) * 1_000, values.json, never)
  } finally {
    await job.close()
  }
}

interface Told {
  readonly handedIn?: number
  readonly taken?: TakenIn
}

interface Job {
  readonly work: BatchWork
  /** Writes what is known to the folder and says how things stand; resolves to the exit code. */
  tell(told: Told): Promise<number>
  close(): Promise<void>
}

async function openJob(values: Values, out: string): Promise<Job> {
  const deployment = await load(values.config)
  const { llm } = deployment.config
  const store = await openBatchStore(join(out, 'batches.json'))
  const taskName = store.of?.['task'] ?? values.task
  const file = deployment.tasks.find(({ task }) => task.name === taskName)
  if (!file) {
    const names = deployment.tasks.map(({ task }) => task.name).join(', ')
    throw new SluiceError('SL104', `--task NAME is needed to begin ${out}; there is ${names}`)
  }
  const wanted = store.of?.['provider'] ?? values.provider ?? llm.providers[0]!.name
  const provider = llm.providers.find(({ name }) => name === wanted)
  if (!provider) throw new SluiceError('SL104', `no provider "${wanted}" in llm.providers`)
  const { task } = file
  const digest = promptDigest(task, provider.model, hash)
  const { items_per_call_max, asks_max, prompt_tokens_max, shortlist_mass, shortlist_max } = llm
  const { segment_chars_max, output_tokens_max } = llm
  const limits: AskLimits = { items_per_call_max, asks_max, prompt_tokens_max, shortlist_mass, shortlist_max }
  const of = {
    task: task.name,
    provider: provider.name,
    model: provider.model,
    prompt: digest,
    limits: JSON.stringify({ ...limits, segment_chars_max, output_tokens_max }),
  }
  assertSame(out, store.of, of)
  const entries = store.of
    ? await sameEntries(values.data, out, deployment, file)
    : await beginFolder(values, out, deployment, file)
  if (!store.of) await store.begin(of)

  const budget = numberOf('budget', values.budget, { from: 0 })
  const { batch_price_share: price_share, price } = provider
  const calls = await openCallStore(join(out, 'calls.jsonl'))
  const redact = redactor(llm.redact)
  const work = createBatchWork({
    start: open(task.labels, questionsOf(task, entries).questions, limits),
    render(asking, call, round) {
      const ids = callIds(call)
      const items = call.questions.map((index, at) => ({ id: ids[at]!, segments: asking.questions[index]!.segments }))
      const choice = { labels: [...call.choices.steps.keys()], whole: call.choices.whole }
      const shape = { segment_chars_max, output_tokens_max, hash, redact }
      const request = renderPrompt(task, items, choice, shape)
      return { request, key: hash(JSON.stringify([round, provider.model, request])) }
    },
    batches: openAiBatches({ ...provider, file_timeout_ms: FILE_TIMEOUT_MS }),
    calls,
    store,
    clock: systemClock,
    hash,
    limits: { ...PART, settle_ms: numberOf('settle', values.settle, { from: 0 }) * 1_000 },
    price,
    price_share,
    before(requests, most_usd) {
      const spent = work.standing().spent.reduce((sum, { costUsd }) => sum + costUsd, 0)
      if (spent + most_usd <= budget) return
      const figures = `${money(spent)} is spent, ${requests} requests cost ${money(most_usd)} at most`
      throw new SluiceError('SL403', `${figures}, and --budget is ${money(budget)}`)
    },
  })
  return {
    work,
    tell: (told) =>
      tell(told, work, values.json, () =>
        writeOutcome(out, task, entries, work.standing(), { model: provider.model, digest }),
      ),
    close: () => calls.close(),
  }
}

/** Reads the items, puts the short lists to them, and keeps both. */
async function beginFolder(values: Values, out: string, { config }: Deployment, file: TaskFile): Promise<Entry[]> {
  if (values.data.length === 0) throw new SluiceError('SL104', `--data FILE is needed to begin ${out}`)
  const items = await readItems(file.task, values.data, config.limits)
  const local = await openLocalModel({ config, emit: silent }, file)
  const view = progressView(values.json)
  try {
    const entries = await shortlisted(items, local?.model, config.local.shortlist, (done) =>
      view.update('short lists', done, items.length, `${items.length} items`),
    )
    await writeEntries(out, entries)
    return entries
  } finally {
    view.stop()
    await local?.model.close()
  }
}

/** As they were kept; `--data` given again holds the same items, or it is another job. */
async function sameEntries(data: readonly string[], out: string, { config }: Deployment, file: TaskFile) {
  const entries = await readEntries(out)
  if (data.length === 0) return entries
  const texts = (items: readonly Item[]) => JSON.stringify(items.map(({ entity, textHash }) => [entity, textHash]))
  const given = await readItems(file.task, data, config.limits)
  if (texts(given) === texts(entries.map(({ item }) => item))) return entries
  throw new SluiceError(
    'SL104',
    `${out} was begun with other items: leave out --data to go on, or begin another folder`,
  )
}

/** Other requests than those that were handed in would be paid for beside them. */
function assertSame(
  out: string,
  was: Readonly<Record<string, string>> | undefined,
  is: Readonly<Record<string, string>>,
) {
  const other = Object.keys(is).filter((key) => was !== undefined && was[key] !== is[key])
  if (other.length === 0) return
  throw new SluiceError(
    'SL104',
    `${out} was begun with another ${other.join(', ')}: put that back to go on, or begin another folder`,
  )
}

async function runAll(job: Job, poll_ms: number, json: boolean, signal: AbortSignal): Promise<number> {
  const view = progressView(json)
  let answered: TakenIn | undefined
  try {
    for (;;) {
      answered = await patiently(view.line, () => job.work.submit(signal).then(() => job.work.harvest(signal)))
      const { missing, asking } = job.work.standing()
      const done = asking.standings.filter(({ verdict }) => verdict !== undefined).length
      view.update('items', done, asking.standings.length, `${missing.length} requests to hand in`)
      if (done === asking.standings.length || answered?.failed) break
      // Where batches end at once with nothing answered, the next ones may too.
      if (answered === undefined || answered.answered === 0) await systemClock.sleep(poll_ms)
    }
  } finally {
    view.stop()
  }
  return job.tell(answered?.failed ? { taken: answered } : {})
}

/** Undefined where nobody answered: that is what waiting is for. */
async function patiently(say: (text: string) => void, work: () => Promise<TakenIn>) {
  try {
    return await inOurWords(work)
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'SL402') throw error
    say(error.message)
    return undefined
  }
}

async function inOurWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof LlmUnavailable) throw new SluiceError('SL402', error.message, { cause: error })
    if (error instanceof LlmRejected) throw new SluiceError('SL401', error.message, { cause: error })
    throw error
  }
}

async function tell(
  told: Told,
  work: BatchWork,
  json: boolean,
  write: () => ReturnType<typeof writeOutcome>,
): Promise<number> {
  const outcome = await write()
  const batches = await inOurWords(() => work.look(new AbortController().signal))
  const toHandIn = work.standing().missing.length
  if (json) process.stdout.write(`${JSON.stringify({ ...told, ...outcome, toHandIn, batches })}\n`)
  else process.stdout.write(`${said(told, outcome, toHandIn, batches).join('\n')}\n`)
  return told.taken?.failed ? 1 : 0
}

function said(
  { handedIn, taken }: Told,
  outcome: Awaited<ReturnType<typeof writeOutcome>>,
  toHandIn: number,
  batches: readonly BatchStanding[],
): string[] {
  const { labels, reviews, waiting, costUsd } = outcome
  const whys = Object.entries(taken?.unanswered ?? {}).map(
    ([why, requests]) => `  ${requests} requests not answered: ${why}`,
  )
  return [
    ...(handedIn === undefined ? [] : [`${handedIn} requests handed in`]),
    ...(taken === undefined ? [] : [`${taken.parts} batches taken in, ${taken.answered} requests answered`, ...whys]),
    ...batches.map(({ id, status, done, total }) => `  ${id}: ${status}, ${done} of ${total}`),
    `${labels} items labelled, ${reviews} for review, ${waiting} waiting; ${money(costUsd)} spent`,
    ...(toHandIn > 0 ? [`${toHandIn} requests to hand in: \`sluice batch submit\``] : []),
  ]
}

function money(usd: number): string {
  return `$${usd.toFixed(usd < 1 ? 4 : 2)}`
}
