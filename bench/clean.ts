// What cleaning finds of noise that was put in on purpose, and what accuracy it wins back on clean rows.
//   npm run bench clean -- [--data FILE.jsonl[.gz]] [--rates .1,.2,.3] [--kinds uniform,siblings] [--rows-max N]
//     [--folds K] [--rounds R] [--seed N] [--json FILE]
// A fifth of the rows, by a hash of the title, is the test part: it keeps its labels and is never cleaned, nor were the
// defaults of cleaning chosen on it. Without --data: mercadona-es where ../shared/data is, else rows of examples/. Prints Markdown; --json writes the figures as well. Precision is a lower bound: a
// wrong label that the data came with counts as a mistake of cleaning when it is found.
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readLines } from '../src/adapters/files/rows.ts'
import { runtime } from '../src/adapters/onnx/runtime.ts'
import { CLEANING } from '../src/core/cleaning/settings.ts'
import { pathIndex, pathKey } from '../src/core/labels.ts'
import { tree as treeOf } from '../src/core/lexical/tree.ts'
import { hash32 } from '../src/core/random.ts'
import { after, clean } from '../src/learn/clean/clean.ts'
import { cleanRows } from '../src/learn/clean/rows.ts'
import { cleaner } from '../src/learn/clean/settings.ts'
import { rowFeatures } from '../src/learn/lexical/batches.ts'
import { fits } from '../src/learn/lexical/fits.ts'
import { epochsFor } from '../src/learn/lexical/settings.ts'
import { rightPaths } from '../src/learn/lexical/validate.ts'
import { withNoise } from '../test/support/noise.ts'
import { benchArguments, present } from './support/arguments.ts'
import type { CleanRows } from '../src/learn/clean/rows.ts'
import type { Row } from '../src/learn/examples.ts'
import type { Subset } from '../src/learn/lexical/batches.ts'
import type { NoiseKind } from '../test/support/noise.ts'

const TEST_SHARE = 0.2
const SPLIT_SEED = 99

const { values } = benchArguments({
  data: { type: 'string' },
  rates: { type: 'string', default: '.1,.2,.3' },
  kinds: { type: 'string', default: 'uniform,siblings' },
  'rows-max': { type: 'string', default: '15000' },
  folds: { type: 'string', default: '4' },
  rounds: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  json: { type: 'string' },
})
const root = join(import.meta.dirname, '..')
const usual = [join(root, '..', 'shared/data/mercadona-es.jsonl.gz'), join(root, 'examples/labelled-products.jsonl')]
const file = present(values.data ?? usual.find((it) => existsSync(it))!)

const seed = Number(values.seed)
const tools = { runtime, signal: new AbortController().signal }
const percent = (share: number) => (100 * share).toFixed(1)

const all = await cleanRows(await sampled(file, Number(values['rows-max'])))
const tree = treeOf(all.labels)
const paths = pathIndex(all.labels)
const isTest = all.examples.map(({ texts }) => hash32(texts[0]!, SPLIT_SEED) / 2 ** 32 < TEST_SHARE)
const training = part(all, (row) => !isTest[row]!)
const testing = part(all, (row) => isTest[row]!)
const gold = goldOf(training)
/** The test part's rows come after the training rows. */
const test: Subset = {
  rows: Int32Array.from(testing.examples, (_, row) => gold.length + row),
  gold: goldOf(testing),
}
/** The same model judges and is judged. */
const lexical = cleaner(training.examples.length, tree.paths)
const features = rowFeatures([...training.examples, ...testing.examples], lexical.features)

const levels = tree.nodes.map((_, level) => `l${level + 1}`)
say(`${basename(file)}: ${gold.length} training rows, ${test.gold.length} test rows, ${tree.paths} labels`)
const clear = await accuracy(gold, () => true)
say(`accuracy without noise put in: ${shown(clear)}`)
say('')
say(
  `| noise put in | found: precision | recall | new label right | replaced | dropped | estimated | ${levels.map((l) => `${l} noisy → cleaned (gain), changed rows left out`).join(' | ')} |`,
)
say(`|---|${'---|'.repeat(6 + levels.length)}`)
const results: unknown[] = []
for (const kind of values.kinds.split(',') as NoiseKind[])
  for (const rate of values.rates.split(',').map(Number)) results.push(await measure(kind, rate))
const report = { data: basename(file), rows: gold.length, testRows: test.gold.length, clear, seed, results }
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 1)}\n`)

async function measure(kind: NoiseKind, rate: number) {
  const given = withNoise(gold, tree, rate, kind, seed)
  const noisy: CleanRows = {
    ...training,
    examples: training.examples.map((example, row) => ({ ...example, label: all.labels.paths[given[row]!]! })),
  }
  const options = { folds: Number(values.folds), rounds: Number(values.rounds), seed, lexical, cleaning: CLEANING }
  const { decisions, estimatedNoise } = await clean(noisy, options, { ...tools, report: () => {} })
  const cleaned = Int32Array.from(given, (path, row) => after(decisions[row]!, path))
  const wrong = count(gold, (path, row) => given[row] !== path)
  const found = count(gold, (path, row) => given[row] !== path && cleaned[row] !== given[row])
  const changed = count(gold, (_, row) => cleaned[row] !== given[row])
  const replaced = count(gold, (_, row) => cleaned[row] !== given[row] && cleaned[row]! >= 0)
  const right = count(gold, (path, row) => cleaned[row] !== given[row] && cleaned[row] === path)
  const before = rate === 0 ? clear : await accuracy(given, () => true)
  const after_ = await accuracy(cleaned, (row) => cleaned[row]! >= 0)
  const without = await accuracy(given, (row) => cleaned[row] === given[row])
  const result = {
    kind,
    rate,
    precision: found / Math.max(changed, 1),
    recall: found / Math.max(wrong, 1),
    newLabelRight: right / Math.max(replaced, 1),
    replaced,
    dropped: changed - replaced,
    estimatedNoise,
    noisy: before,
    cleaned: after_,
    changedLeftOut: without,
  }
  const gains = before.map(
    (share, level) =>
      `${percent(share)} → ${percent(after_[level]!)} (${after_[level]! >= share ? '+' : ''}${percent(after_[level]! - share)}), ${percent(without[level]!)}`,
  )
  say(
    `| ${percent(rate)} % ${kind} | ${percent(result.precision)} | ${percent(result.recall)} | ${percent(result.newLabelRight)} | ${replaced} | ${result.dropped} | ${percent(estimatedNoise.at(-1)!)} | ${gains.join(' | ')} |`,
  )
  return result
}

/** Accuracy per level on the test part of a model that learned these labels from the training rows that count. */
async function accuracy(labels: Int32Array, counts: (row: number) => boolean): Promise<number[]> {
  const rows = Array.from(labels.keys()).filter(counts)
  const kept = { rows: Int32Array.from(rows), gold: Int32Array.from(rows, (row) => labels[row]!) }
  const epochs = epochsFor(rows.length, lexical)
  const input = { features, kept, held: test, tree, epochs, seed, settings: lexical }
  const [fitted] = (await fits([input], { ...tools, onStep: () => {} }))!
  return rightPaths(fitted!.logits, tree).map((right) => right / test.rows.length)
}

function part(data: CleanRows, takes: (row: number) => boolean): CleanRows {
  const rows = Array.from(data.examples.keys()).filter(takes)
  const { facts } = data
  return {
    ...data,
    examples: rows.map((row) => data.examples[row]!),
    facts: {
      keys: rows.map((row) => facts.keys[row]!),
      human: Uint8Array.from(rows, (row) => facts.human[row]!),
      twoLabels: Uint8Array.from(rows, (row) => facts.twoLabels[row]!),
      sources: rows.map((row) => facts.sources[row]!),
      clusters: Int32Array.from(rows, (row) => facts.clusters[row]!),
    },
  }
}

function goldOf(data: CleanRows): Int32Array {
  return Int32Array.from(data.examples, ({ label }) => paths.get(pathKey(label))!)
}

/** At most so many rows, drawn by a hash of the line. */
async function sampled(file: string, most: number): Promise<Row[]> {
  const rows: (Row & { draw: number })[] = []
  for await (const { number, value } of readLines(file))
    rows.push({ file: basename(file), line: number, value, draw: hash32(String(number)) })
  return rows.sort((a, b) => a.draw - b.draw).slice(0, most)
}

function count(values: Int32Array, counts: (value: number, row: number) => boolean): number {
  return values.reduce((sum, value, row) => sum + (counts(value, row) ? 1 : 0), 0)
}

function shown(shares: readonly number[]): string {
  return shares.map((share, level) => `${levels[level]} ${percent(share)}`).join(', ')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
