// Where in the cascade the similarity cache serves best: before the local model, after it, or nowhere. Half of the rows,
// by a hash of the title, train the local model; the others are the stream. What no tier answers, the row's own label
// answers, as the LLM would. Needs ../shared/data.
//   npm run bench similar-place -- [--data FILE.jsonl.gz …] [--rows-max N] [--threshold .8] [--local-min .98]
//     [--model DIR] [--json]
// --model: one trained on the same half by an earlier run, which prints where it lies, instead of training.
import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { systemClock } from '../src/adapters/clock.ts'
import { readModelFolder } from '../src/adapters/files/model-folder.ts'
import { readLines } from '../src/adapters/files/rows.ts'
import { openModel } from '../src/adapters/onnx/model.ts'
import type { Reply } from '../src/core/answer.ts'
import { close, fold, next, open } from '../src/core/cascade.ts'
import type { Item, Tier } from '../src/core/item.ts'
import { labelSet, pathKey } from '../src/core/labels.ts'
import type { LabelPath } from '../src/core/labels.ts'
import { hash32, random, shuffle } from '../src/core/random.ts'
import { wilson } from '../src/core/statistics.ts'
import type { Task } from '../src/core/task.ts'
import { parseTemplate } from '../src/core/template.ts'
import { silent } from '../src/ports/events.ts'
import type { TierPort } from '../src/ports/tier.ts'
import { textHash } from '../src/tiers/exact.ts'
import { localTier } from '../src/tiers/local.ts'
import { similarTier } from '../src/tiers/similar.ts'
import { benchArguments, present } from './support/arguments.ts'

const ORDERS: readonly (readonly Tier[])[] = [['local'], ['similar'], ['local', 'similar'], ['similar', 'local']]
const BATCH_ITEMS = 100
const SEED = 1
const root = join(import.meta.dirname, '..')
const DEFAULT_DATA = ['catalog', 'grocery'].map((name) => join(root, '..', 'shared', 'data', `${name}.jsonl.gz`))

const { values } = benchArguments({
  data: { type: 'string', multiple: true, default: DEFAULT_DATA },
  'rows-max': { type: 'string', default: 'Infinity' },
  threshold: { type: 'string', default: '0.8' },
  'local-min': { type: 'string' },
  model: { type: 'string' },
  json: { type: 'boolean', default: false },
})

interface Row {
  readonly title: string
  readonly brand?: string
  readonly label: LabelPath
}

interface Streamed {
  readonly item: Item
  readonly truth: LabelPath
}

if (values.model !== undefined) present(values.model)
values.data.forEach(present)
for (const file of values.data) {
  const rows: Row[] = []
  for await (const { value } of readLines(file)) rows.push(value as Row)
  const isTraining = ({ title }: Row) => hash32(title.toLowerCase(), SEED) % 2 === 0
  const model = values.model ?? (await train(basename(file), rows.filter(isTraining)))
  await measure(
    basename(file),
    model,
    streamOf(
      rows.filter((row) => !isTraining(row)),
      Number(values['rows-max']),
    ),
  )
}

async function train(name: string, rows: readonly Row[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-place-'))
  const [data, out] = [join(folder, 'training.jsonl'), join(folder, 'model')]
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join('\n'))
  console.error(`${name}: training on ${rows.length} rows; the model will be ${out}`)
  const cli = join(root, 'src', 'cli', 'main.ts')
  const { status } = spawnSync(process.execPath, [cli, 'train', '--data', data, '--out', out], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`training failed with ${status}`)
  return out
}

/** In an order drawn by seed; a text comes once: the second time the exact cache would have it. */
function streamOf(rows: readonly Row[], most: number): Streamed[] {
  const order = Int32Array.from(rows, (_, index) => index)
  shuffle(order, random(SEED))
  const seen = new Set<string>()
  const streamed: Streamed[] = []
  for (const at of order) {
    const { title, brand, label } = rows[at]!
    const segments = [title, brand ?? '']
    const hash = textHash(segments)
    if (hash === undefined || seen.has(hash) || streamed.length >= most) continue
    seen.add(hash)
    const source = { topic: 'stream', partition: 0, offset: String(streamed.length), timestamp_ms: 0 }
    const item = { id: `${streamed.length}`, task: 'place', entity: `${at}`, segments, textHash: hash, source }
    streamed.push({ item, truth: label })
  }
  return streamed
}

async function measure(name: string, dir: string, stream: readonly Streamed[]): Promise<void> {
  const model = await openModel(await readModelFolder(dir), { workers: 1, emit: silent, task: 'place' })
  const local = await recorded(localTier({ task: 'place', model, digest: 'm', shortlist: 1, emit: silent }), stream)
  await model.close()
  const labels = labelSet(stream.map(({ truth }) => truth))
  const { thresholds } = model
  const rows = []
  for (const order of ORDERS) rows.push(await run(taskOf(labels, thresholds, order), stream, local.tier))
  const found = { file: name, stream: stream.length, thresholds, local_us: local.us_each, rows }
  if (values.json) console.log(JSON.stringify(found))
  else print(found)
}

/** What the tier says of every item, asked once, and the CPU time of that. */
async function recorded(tier: TierPort, stream: readonly Streamed[]): Promise<{ tier: TierPort; us_each: number }> {
  const replies = new Map<string, Reply>()
  const start = cpu_us()
  for (let from = 0; from < stream.length; from += BATCH_ITEMS) {
    const items = stream.slice(from, from + BATCH_ITEMS).map(({ item }) => item)
    const said = await tier.answer(items)
    items.forEach(({ id }, at) => replies.set(id, said[at]!))
  }
  const us_each = (cpu_us() - start) / stream.length
  return { tier: { answer: async (items) => items.map(({ id }) => replies.get(id)!) }, us_each }
}

/** What these tiers look at of a task. */
type PlaceTask = Pick<Task, 'name' | 'segments' | 'labels' | 'gate' | 'order' | 'similar'>

function taskOf(labels: Task['labels'], thresholds: readonly number[], order: readonly Tier[]): PlaceTask {
  const segment = (name: string) => ({ name, text: parseTemplate(`{${name}?}`) })
  return {
    name: 'place',
    segments: [segment('title'), segment('brand')],
    labels,
    gate: { thresholds },
    order,
    similar: {
      threshold: Number(values.threshold),
      compare: 'together',
      vetoes: [],
      audit_share: 0.05,
      false_hits_max: 1,
      local_min: values['local-min'] === undefined ? undefined : Number(values['local-min']),
      entries_max: 100_000,
      bytes_max: 1e9,
    },
  }
}

async function run(task: PlaceTask, stream: readonly Streamed[], local: TierPort) {
  const similar = similarTier({ task, store: undefined, clock: systemClock, emit: silent })
  const tiers: Partial<Record<Tier, TierPort>> = { local, similar }
  const answered = new Map<Tier, number>()
  const right = new Map<Tier, number>()
  let similar_us = 0
  for (let from = 0; from < stream.length; from += BATCH_ITEMS) {
    const batch = stream.slice(from, from + BATCH_ITEMS)
    const items = batch.map(({ item }) => item)
    let cascade = open(items, task.order, task.gate)
    for (let ask = next(cascade); ask; ask = next(cascade)) {
      const start = cpu_us()
      cascade = fold(cascade, await tiers[ask.tier]!.answer(ask.items))
      if (ask.tier === 'similar') similar_us += cpu_us() - start
    }
    const answers = close(cascade).map((outcome, at) =>
      outcome.kind === 'result'
        ? outcome.answer
        : { label: batch[at]!.truth, probabilities: [], tier: 'llm' as const, digest: 'l' },
    )
    answers.forEach(({ tier, label }, at) => {
      answered.set(tier, (answered.get(tier) ?? 0) + 1)
      if (pathKey(label) === pathKey(batch[at]!.truth)) right.set(tier, (right.get(tier) ?? 0) + 1)
    })
    if (!task.order.includes('similar')) continue
    const start = cpu_us()
    await similar.learn(items, answers)
    similar_us += cpu_us() - start
  }
  const of = (tier: Tier) => ({ answered: answered.get(tier) ?? 0, right: right.get(tier) ?? 0 })
  return { order: task.order, local: of('local'), similar: of('similar'), llm: of('llm'), similar_us }
}

function print({
  file,
  stream,
  thresholds,
  local_us,
  rows,
}: {
  readonly file: string
  readonly stream: number
  readonly thresholds: readonly number[]
  readonly local_us: number
  readonly rows: readonly Awaited<ReturnType<typeof run>>[]
}): void {
  const gate = thresholds.map((threshold) => threshold.toFixed(2)).join(' / ')
  console.log(`${file}: ${stream} texts, gate ${gate}; the local model takes ${local_us.toFixed(0)} µs of CPU a text`)
  for (const { order, local, similar, llm, similar_us } of rows) {
    const cheap = local.answered + similar.answered
    const right = local.right + similar.right
    const { low, high } = wilson(right, cheap)
    console.log(
      `  ${order.join(', ').padEnd(16)} local ${share(local.answered, stream)} (${share(local.right, local.answered)} right)` +
        `  similar ${share(similar.answered, stream)} (${share(similar.right, similar.answered)})` +
        `  LLM ${share(llm.answered, stream)}  without LLM right ${share(right, cheap)} (${share(low, 1)}–${share(high, 1)})` +
        `  similar takes ${(similar_us / stream).toFixed(0)} µs of CPU a text`,
    )
  }
}

/** CPU time of this process and its threads, microseconds: others work beside. */
function cpu_us(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function share(some: number, of: number): string {
  return of === 0 ? '–' : `${((100 * some) / of).toFixed(1)} %`
}
