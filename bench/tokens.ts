// Tokens an item, layer by layer: the prompt that a person writes first, the label set compressed, two stages, many items a
// call, caches, the local model. The LLM is an oracle (bench/support/oracle.ts): what it costs is measured, not how good
// it is. Needs ../shared/data, and the network for the tokenizer the first time.
//   npm run bench tokens -- [--tokenizer NAME|FILE] [--items N] [--models DIR] [--mass P] [--shortlist N] [--per-call N] [--json]
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/adapters/clock.ts'
import { readModelFolder } from '../src/adapters/files/model-folder.ts'
import { readLines } from '../src/adapters/files/rows.ts'
import { memoryCache } from '../src/adapters/memory/cache.ts'
import { openModel } from '../src/adapters/onnx/model.ts'
import { openCounter } from '../src/cli/tokenizers.ts'
import { gateMiss } from '../src/core/gate.ts'
import { labelSet, pathKey } from '../src/core/labels.ts'
import { calibrated, covering } from '../src/core/llm/shortlist.ts'
import { estimateTokens } from '../src/core/llm/tokens.ts'
import { hash32, random, shuffle } from '../src/core/random.ts'
import { silent } from '../src/ports/events.ts'
import { exactTier, textHash } from '../src/tiers/exact.ts'
import { similarTier } from '../src/tiers/similar.ts'
import { taskOf } from '../test/fakes/items.ts'
import { naivePrompt } from './support/naive-prompt.ts'
import { askAll, askWhole, noBill } from './support/oracle.ts'
import { withRepeats } from './support/repeats.ts'
import { benchArguments, present } from './support/arguments.ts'
import type { Answer } from '../src/core/answer.ts'
import type { Item } from '../src/core/item.ts'
import type { LabelSet } from '../src/core/labels.ts'
import type { AskLimits } from '../src/core/llm/asking.ts'
import type { Similar, Task } from '../src/core/task.ts'
import type { Model, Prediction } from '../src/ports/model.ts'
import type { TierPort } from '../src/ports/tier.ts'
import type { Asked, Bill } from './support/oracle.ts'
import type { LabelledText } from './support/repeats.ts'

const { values } = benchArguments({
  tokenizer: { type: 'string', default: 'deepseek' },
  items: { type: 'string', default: '2000' },
  models: { type: 'string', default: join(tmpdir(), 'sluice-bench-tokens') },
  mass: { type: 'string', default: '0.95' },
  shortlist: { type: 'string', default: '12' },
  'per-call': { type: 'string', default: '20' },
  json: { type: 'boolean', default: false },
})
const SETS = ['catalog', 'instacart'].map((name) => ({ name, levels: 2 }))
const ITEMS = Number(values.items)
const EXACT = 0.17
const NEAR = 0.18
const TEST_SHARE = 0.2
const SEED = 17
/** What the fallback role reads at once: twenty items a call, four calls at a time, two rounds. */
const BATCH = 160
const ASK: AskLimits = {
  items_per_call_max: Number(values['per-call']),
  asks_max: 3,
  prompt_tokens_max: 8_000,
  shortlist_mass: Number(values.mass),
  shortlist_max: Number(values.shortlist),
}
/** As models/taxonomy has it. */
const SIMILAR: Similar = {
  threshold: 0.8,
  compare: 'together',
  vetoes: [],
  audit_share: 0.05,
  false_hits_max: 0.1,
  entries_max: 50_000,
  bytes_max: 2 ** 27,
}
const INSTRUCTION =
  'Choose the category path of each product of an online shop. Choose the most specific path that fits the product itself, not its packaging, flavour or brand.'

const data = present(join(import.meta.dirname, '..', '..', 'shared', 'data'))
const tokenize = await openCounter(values.tokenizer)
const counted = new Map<string, number>()
/** Prompts share their first part, and short lists their schemas. */
const count = (text: string) => {
  const known = counted.get(text) ?? tokenize(text)
  if (counted.size < 100_000) counted.set(text, known)
  return known
}
for (const set of SETS) await measure(set.name, set.levels)

async function measure(name: string, levels: number): Promise<void> {
  const { training, test, labels } = await split(name, levels)
  const model = await modelOf(name, training)
  const task: Task = taskOf({
    labels,
    labelsDigest: name,
    instruction: INSTRUCTION,
    gate: { thresholds: model.thresholds },
    similar: SIMILAR,
  })
  const { stream, ...repeats } = withRepeats(test, ITEMS, EXACT, NEAR, SEED)
  const said = await model.classify(
    stream.map(({ title }) => [title, '']),
    { shortlist: labels.paths.length },
  )
  await model.close()
  const asked = stream.map(({ title, label }, at) => ({
    segments: [title],
    shortlist: calibrated(said[at]?.shortlist ?? [], said[at]?.probabilities.at(-1) ?? 0),
    gold: label,
  }))

  const naive = naivePrompt(labels, training)
  const bills: Record<string, Bill> = { naive: naiveBill(naive.fixed, stream) }
  const bill = (row: string) => (bills[row] = noBill())
  const alone = { ...ASK, items_per_call_max: 1 }
  askWhole(task, asked, count, bill('compressed: the paths alone, one item a call'))
  askAll(task, asked, alone, count, bill('two-stage: a short list each, one item a call'))
  const batched = bill(`batched: ${ASK.items_per_call_max} items a call`)
  for (let from = 0; from < asked.length; from += BATCH)
    askAll(task, asked.slice(from, from + BATCH), ASK, count, batched)
  await cached(task, stream, asked, undefined, bill('after caches: exact and similar'))
  await cached(task, stream, asked, said, bill('after the local model as well'))

  const rows = Object.entries(bills).map(([row, { calls, input, output, missed, offered, spared, wrong }]) => ({
    row,
    tokensPerItem: (input + output) / ITEMS,
    ratio: (bills['naive']!.input + bills['naive']!.output) / (input + output),
    callsPer1000: (1000 * calls) / ITEMS,
    missed,
    offered,
    spared,
    wrong,
  }))
  const parts = Object.fromEntries(Object.entries(naive.parts).map(([part, text]) => [part, count(text)]))
  const estimate = test.slice(0, 500).reduce((sum, { title }) => sum + estimateTokens(title), 0)
  const real = test.slice(0, 500).reduce((sum, { title }) => sum + count(title), 0)
  const about = {
    set: name,
    labels: labels.paths.length,
    items: ITEMS,
    thresholds: task.gate.thresholds,
    ...repeats,
    tokenizer: values.tokenizer,
    naiveParts: parts,
    estimateOverReal: estimate / real,
  }
  const unsure = asked.filter((_, at) => !isSure(task, said[at]))
  if (values.json) console.log(JSON.stringify({ ...about, rows, recall: recallTable(unsure) }))
  else print(about, rows, unsure)
}

/** The naive prompt once for each item, with the reply that it asks for. */
function naiveBill(fixed: string, stream: readonly LabelledText[]): Bill {
  const bill = noBill()
  for (const { title, label } of stream) {
    bill.calls++
    bill.input += count(fixed) + count(title)
    bill.output += count(JSON.stringify({ category: pathKey(label), confidence: 0.95 }))
  }
  return bill
}

/**
 * The stream through the tiers: what they do not answer waits until there is a batch of it, is asked, and is learned. Texts
 * that wait already are not asked twice.
 */
async function cached(
  task: Task,
  stream: readonly LabelledText[],
  asked: readonly Asked[],
  said: readonly (Prediction | undefined)[] | undefined,
  bill: Bill,
): Promise<void> {
  const memory = () => memoryCache({ entries_max: ITEMS, bytes_max: 2 ** 30, ttl_s: 86_400 })
  const exact = exactTier({ task, asserted: memory(), estimated: memory(), localDigest: () => 'local', emit: silent })
  const similar = similarTier({ task, store: undefined, clock: systemClock, emit: silent })
  const waiting = new Map<string, { readonly item: Item; readonly at: number }>()
  const flush = async () => {
    const batch = [...waiting.values()]
    waiting.clear()
    askAll(
      task,
      batch.map(({ at }) => asked[at]!),
      ASK,
      count,
      bill,
    )
    const items = batch.map(({ item }) => item)
    const answers = batch.map(({ at }): Answer => ({
      label: stream[at]!.label,
      probabilities: [],
      tier: 'llm',
      digest: 'oracle',
    }))
    await exact.remember(items, answers)
    await similar.learn(items, answers)
  }
  const answered = async (tier: TierPort, item: Item, gold: LabelledText) => {
    const [reply] = await tier.answer([item])
    return reply?.kind === 'answer' && spared(bill, reply.answer, gold)
  }
  for (const [at, gold] of stream.entries()) {
    const item = itemOf(task, gold.title, at)
    if (await answered(exact, item, gold)) continue
    if (said && isSure(task, said[at]) && spared(bill, answerOf(said[at]!), gold)) continue
    if (await answered(similar, item, gold)) continue
    if (waiting.has(item.textHash))
      spared(bill, { label: gold.label, probabilities: [], tier: 'exact', digest: '' }, gold)
    else waiting.set(item.textHash, { item, at })
    if (waiting.size === BATCH) await flush()
  }
  await flush()
}

function spared(bill: Bill, { label, tier }: Answer, gold: LabelledText): true {
  bill.spared[tier] = (bill.spared[tier] ?? 0) + 1
  bill.wrong += Number(pathKey(label) !== pathKey(gold.label))
  return true
}

function answerOf({ label, probabilities }: Prediction): Answer {
  return { label, probabilities, tier: 'local', digest: 'local' }
}

function isSure(task: Task, said: Prediction | undefined): boolean {
  return said !== undefined && gateMiss(task.gate, answerOf(said)) === undefined
}

function itemOf(task: Task, title: string, at: number): Item {
  const source = { topic: 'products', partition: 0, offset: String(at), timestamp_ms: 0 }
  return {
    id: `products/0/${at}/0`,
    task: task.name,
    entity: `p${at}`,
    segments: [title],
    textHash: textHash([title])!,
    source,
  }
}

async function split(name: string, levels: number) {
  const rows: LabelledText[] = []
  const seen = new Set<string>()
  for await (const { value } of readLines(join(data, `${name}.jsonl.gz`))) {
    const { title, label } = value as { title: string; label: string[] }
    if (seen.has(title) || textHash([title]) === undefined) continue
    seen.add(title)
    rows.push({ title, label: label.slice(0, levels) })
  }
  const order = Int32Array.from(rows, (_, index) => index)
  shuffle(order, random(SEED))
  const shuffled = Array.from(order, (index) => rows[index]!)
  const isTest = ({ title }: LabelledText) => hash32(title, SEED) / 2 ** 32 < TEST_SHARE
  const training = shuffled.filter((row) => !isTest(row))
  const labels: LabelSet = labelSet(training.map(({ label }) => label))
  const known = new Set(labels.paths.map(pathKey))
  return { training, test: shuffled.filter((row) => isTest(row) && known.has(pathKey(row.label))), labels }
}

/** A lexical model of the training part; kept in --models for the next time. */
async function modelOf(name: string, training: readonly LabelledText[]): Promise<Model> {
  const dir = join(values.models, name)
  if (!existsSync(join(dir, 'manifest.json'))) {
    mkdirSync(values.models, { recursive: true })
    rmSync(dir, { recursive: true, force: true })
    const file = join(values.models, `${name}.jsonl`)
    writeFileSync(file, training.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
    const { status } = spawnSync(process.execPath, [main, 'train', '--data', file, '--out', dir], {
      stdio: ['ignore', 2, 2],
    })
    if (status !== 0) throw new Error(`training on ${name} failed`)
  }
  return openModel(await readModelFolder(dir), { workers: 1, emit: silent, task: name })
}

/** Of items that the local model is not sure of: how often the short list holds the right path, how long it is, by the mass to reach. */
function recallTable(asked: readonly Asked[], shortlist_max = ASK.shortlist_max) {
  return [0.8, 0.9, 0.95, 0.98, 0.99].map((mass) => {
    const lists = asked.map(({ shortlist }) => covering(shortlist, mass, shortlist_max))
    const held = lists.filter(({ labels }, at) =>
      labels.some(({ label }) => pathKey(label) === pathKey(asked[at]!.gold)),
    )
    const sum = (of: (list: (typeof lists)[number]) => number) => lists.reduce((total, list) => total + of(list), 0)
    const promised = sum((list) => list.mass) / lists.length
    return {
      mass,
      paths: sum(({ labels }) => labels.length) / lists.length,
      promised,
      recall: held.length / lists.length,
    }
  })
}

type About = Readonly<Record<string, unknown>>

function print(
  about: About,
  rows: readonly { row: string; tokensPerItem: number; ratio: number }[],
  asked: readonly Asked[],
) {
  console.log(JSON.stringify(about))
  for (const { row, tokensPerItem, ratio, ...more } of rows)
    console.log(
      `  ${row.padEnd(50)} ${tokensPerItem.toFixed(1).padStart(9)}  1/${ratio.toFixed(1)}  ${JSON.stringify(more)}`,
    )
  for (const { mass, paths, promised, recall } of recallTable(asked))
    console.log(
      `  mass ${mass}: ${paths.toFixed(2)} paths, holds the right one ${(100 * recall).toFixed(2)} % (promised ${(100 * promised).toFixed(2)} %)`,
    )
}
