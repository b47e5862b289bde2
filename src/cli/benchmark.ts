// `sluice benchmark`: local models and large language models side by side on one sample, as a table that says how sure it is.
// The texts go to the LLMs that were named and nowhere else, without what names people (core/llm/redact.ts).
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { join, relative } from 'node:path'
import { systemClock } from '../adapters/clock.ts'
import { readRubric } from '../adapters/config/tasks.ts'
import { openCallStore } from '../adapters/files/call-store.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { score } from '../core/benchmark/score.ts'
import { SluiceError } from '../core/error.ts'
import { REDACTIONS, redactor } from '../core/llm/redact.ts'
import { costUsd } from '../core/llm/usage.ts'
import { askLlm, estimate } from '../learn/benchmark/ask-llm.ts'
import { openBudget } from '../learn/benchmark/budget.ts'
import { benchmarkPage, money } from '../learn/benchmark/markdown.ts'
import { accuracyPlot, latencyPlot } from '../learn/benchmark/plots.ts'
import { readLlms } from './benchmark-llms.ts'
import { timeFolder } from './benchmark-models.ts'
import { readSplit, sha256 } from './benchmark-sample.ts'
import { findTask, load, numberOf, parse } from './command.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { Performance, Split, Table } from '../core/benchmark/score.ts'
import type { Task } from '../core/task.ts'
import type { LlmContestant } from '../learn/benchmark/ask-llm.ts'
import type { Circumstances, SplitSource } from '../learn/benchmark/markdown.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Bounds, Options } from './command.ts'

const HELP = `usage: sluice benchmark (--task NAME | --rubric FILE) --data FILE… [--out-of-distribution FILE…]
                        [--model DIR…] [--llm NAME…] [--sample N] [--budget USD] [--out DIR] [--json]

Asks local models and large language models the same sample and prints one table: accuracy with its 95 % interval,
macro-F1, precision and recall per class, latency, tokens, US dollars per 1,000 items, and whether each is better than
the best local model. Writes benchmark.md, benchmark.json, accuracy.svg and latency.svg to --out.

  --task NAME        a task of sluice.yaml; its champion takes part where no --model is given
  --rubric FILE      instead of a task: a file like task.yaml (instruction, segments, labels, describe)
  --data FILE        labelled rows (.jsonl, .jsonl.gz), as the task's events or as training rows; may be given again
  --out-of-distribution FILE
                     labelled rows of another origin: columns of their own; may be given again
  --model DIR        a model folder; may be given again
  --llm NAME         a large language model of benchmark.yaml; may be given again
  --llms FILE        another file than benchmark.yaml
  --base-url URL --llm-model MODEL --price IN,CACHED,OUT [--api-key-env VARIABLE]
                     instead of a file: the one --llm, US dollars per million tokens
  --sample N         items a split (default 200)       --stratified    each label by its share
  --seed N           of the sample (default 1)         --concurrency N calls at once, for each LLM
  --machine-usd-per-hour USD
                     what the machine of the local models costs; without it they cost nothing
  --budget USD       what the answers in --out may cost in all, earlier runs included (default 1)
  --out DIR          default runs/benchmark; its answers/ remember every call, so the same command goes on where it stopped

The first Ctrl-C starts no more calls and writes the table of what there is; the second ends those in flight.
Exit codes: 0 complete, 1 something is missing (the table says what), 2 wrong usage or configuration.
`

const SEGMENT_CHARS_MAX = 4000

const OPTIONS = {
  task: { type: 'string' },
  rubric: { type: 'string' },
  data: { type: 'string', multiple: true, default: [] },
  'out-of-distribution': { type: 'string', multiple: true, default: [] },
  model: { type: 'string', multiple: true, default: [] },
  llm: { type: 'string', multiple: true, default: [] },
  llms: { type: 'string', default: 'benchmark.yaml' },
  'base-url': { type: 'string' },
  'llm-model': { type: 'string' },
  price: { type: 'string' },
  'api-key-env': { type: 'string' },
  sample: { type: 'string', default: '200' },
  stratified: { type: 'boolean', default: false },
  seed: { type: 'string', default: '1' },
  budget: { type: 'string', default: '1' },
  concurrency: { type: 'string' },
  'machine-usd-per-hour': { type: 'string' },
  out: { type: 'string', default: join('runs', 'benchmark') },
} as const satisfies Options

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, OPTIONS)
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  if (values.data.length === 0) throw new SluiceError('SL104', 'benchmark needs --data FILE')
  const size = numberOf('sample', values.sample, { whole: true, from: 1 })
  const seed = numberOf('seed', values.seed, { whole: true })
  const cap = numberOf('budget', values.budget, { from: 0 })
  const given = (flag: 'concurrency' | 'machine-usd-per-hour', bounds: Bounds) =>
    values[flag] === undefined ? undefined : numberOf(flag, values[flag], bounds)
  const concurrency = given('concurrency', { whole: true, from: 1 })
  const { task, models, redact } = await taskOf(values)
  const llms = await readLlms({ ...values, concurrency }, task, SEGMENT_CHARS_MAX, process.env)
  const machineUsdPerHour = given('machine-usd-per-hour', { from: 0 }) ?? llms.machineUsdPerHour
  refuseDoubles([...models, ...values.llm])
  if (models.length + llms.contestants.length === 0)
    throw new SluiceError('SL104', 'benchmark needs a contestant: --model DIR or --llm NAME')

  await mkdir(values.out, { recursive: true }).catch((error: unknown) => {
    throw new SluiceError('SL102', `--out ${values.out}: ${(error as Error).message}`, { cause: error })
  })

  const draw = { size, seed, stratified: values.stratified }
  const seen = new Set<string>()
  const read = [await readSplit('in-distribution', values.data, task, draw, seen)]
  const others = values['out-of-distribution']
  if (others.length > 0) read.push(await readSplit('out-of-distribution', others, task, draw, seen))
  const { splits, sources } = { splits: read.map(({ split }) => split), sources: read.map(({ source }) => source) }
  const view = progressView(values.json)
  const job = { ...llms, machineUsdPerHour, task, models, redact, splits, sources, cap, out: values.out, view }
  const { performances, warnings, spent } = await contest(job)
  const table = score(splits, task.labels.levels, performances)
  await write(values.out, values.json, table, {
    task: task.name,
    labels: task.labels.paths.length,
    seed,
    stratified: values.stratified,
    sources,
    machine: `${cpus()[0]?.model.trim() || 'this machine'}, ${availableParallelism()} threads, Node ${process.version}`,
    machineUsdPerHour,
    concurrency: Object.fromEntries(llms.contestants.map(({ name, limits }) => [name, limits.calls_concurrently])),
    budget: { cap, spent },
    warnings,
    date: new Date().toISOString().slice(0, 10),
    command: ['sluice benchmark', ...args.map(quoted)].join(' '),
  })
  return performances.some(({ failure }) => failure !== undefined) ? 1 : 0
}

/** Takes out of a text what no LLM may see. */
type Redact = (text: string) => string

interface Job {
  readonly task: Task
  /** Folders of local models. */
  readonly models: readonly string[]
  readonly redact: Redact
  readonly contestants: readonly LlmContestant[]
  readonly machineUsdPerHour: number | undefined
  readonly splits: readonly Split[]
  readonly sources: readonly SplitSource[]
  /** US dollars. */
  readonly cap: number
  readonly out: string
  readonly view: ProgressView
}

/** One contestant after the other, so that none slows another down; local models first. */
async function contest(job: Job) {
  const { task, models, redact, contestants, machineUsdPerHour, splits, sources, cap, out, view } = job
  const stop = new AbortController()
  const cut = new AbortController()
  const interrupted = () => (stop.signal.aborted ? cut : stop).abort()
  process.on('SIGINT', interrupted)
  const stores = new Map<string, CallStore>()
  try {
    for (const { name } of contestants) stores.set(name, await openCallStore(join(out, 'answers', `${name}.jsonl`)))
    const spentBefore = contestants.reduce((sum, { name, price }) => sum + costUsd(stores.get(name)!.total(), price), 0)
    const budget = openBudget(cap, spentBefore)
    quote(contestants, splits, redact, cap, spentBefore, view)
    const performances: Performance[] = []
    const warnings: string[] = []
    for (const dir of models) {
      const progress = (done: number, total: number) => view.update(dir, done, total, 'one at a time')
      const deps = { clock: systemClock, stop: stop.signal, progress }
      const { performance, trainedOn } = await timeFolder(dir, task, splits, machineUsdPerHour, deps)
      performances.push(performance)
      const known = sources.flatMap(({ files }) => files).filter(({ sha256 }) => trainedOn.has(sha256))
      for (const { file } of known) warnings.push(`${dir} was trained on ${file}; its figures on it measure nothing.`)
    }
    for (const contestant of contestants) {
      const { name } = contestant
      const progress = (done: number, total: number) => view.update(name, done, total, `${money(budget.spent)} spent`)
      const shared = { budget, clock: systemClock, hash: sha256, redact, random: Math.random, progress }
      const signals = { stop: stop.signal, signal: cut.signal }
      const { performance } = await askLlm(contestant, splits, { ...shared, ...signals, store: stores.get(name)! })
      performances.push(performance)
      if (performance.failure !== undefined) view.line(`${name}: ${performance.failure}`)
    }
    return { performances, warnings, spent: budget.spent }
  } finally {
    view.stop()
    process.off('SIGINT', interrupted)
    for (const store of stores.values()) await store.close()
  }
}

async function taskOf(values: { task?: string; rubric?: string; config: string; model: string[] }) {
  if ((values.task === undefined) === (values.rubric === undefined))
    throw new SluiceError('SL104', 'benchmark needs either --task NAME or --rubric FILE')
  const models = values.model.map((dir) => dir.replace(/\/+$/, ''))
  if (values.rubric !== undefined) {
    const redact = redactor({ kinds: REDACTIONS, patterns: {} })
    return { task: await readRubric(values.rubric, process.env), models, redact }
  }
  const { task, modelDir } = await findTask(values.config, values.task!)
  const redact = redactor((await load(values.config)).config.llm.redact)
  return { task, models: models.length > 0 ? models : [relative('', modelDir)], redact }
}

function refuseDoubles(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new SluiceError('SL104', `${twice} is named twice`)
}

function quote(
  contestants: readonly LlmContestant[],
  splits: readonly Split[],
  redact: Redact,
  cap: number,
  spent: number,
  view: ProgressView,
): void {
  let usd = 0
  for (const contestant of contestants) {
    const guess = estimate(contestant, splits, { hash: sha256, redact })
    usd += guess.usd
    view.line(`${contestant.name}: about ${money(guess.usd)} for ${guess.calls} calls, if none of it is known yet`)
  }
  if (contestants.length === 0) return
  const already = spent > 0 ? `, of which ${money(spent)} are spent` : ''
  view.line(`together about ${money(usd)}; the budget is ${money(cap)}${already}`)
  if (usd > cap) view.line('that is more than the budget: items will be missing; lower --sample or raise --budget')
}

async function write(out: string, json: boolean, table: Table, about: Circumstances): Promise<void> {
  const page = benchmarkPage(table, about)
  const whole = { format: 1, ...about, ...table }
  await writeFile(join(out, 'benchmark.md'), page)
  await writeFile(join(out, 'benchmark.json'), `${JSON.stringify(whole, undefined, 1)}\n`)
  await writeFile(join(out, 'accuracy.svg'), accuracyPlot(table, about.task))
  await writeFile(join(out, 'latency.svg'), latencyPlot(table, about.task))
  process.stdout.write(json ? `${JSON.stringify(whole)}\n` : page)
}

/** As a shell would want it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
