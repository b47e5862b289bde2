// How fast a lexical model answers: titles a second, hashing included, on a pool of workers and on one thread.
//   npm run bench lexical [MODEL_DIR DATA.jsonl[.gz] [workers]]
// By default the taxonomy champion on catalog titles where ../shared/data is, else on those of examples/.
// Measures only; says nothing of accuracy (`sluice evaluate` does).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readModelFolder } from '../src/adapters/files/model-folder.ts'
import { readLines } from '../src/adapters/files/rows.ts'
import { openModel } from '../src/adapters/onnx/model.ts'
import { extractor } from '../src/core/lexical/features.ts'
import { normalise } from '../src/core/text/normalise.ts'
import { silent } from '../src/ports/events.ts'
import { benchArguments, present } from './support/arguments.ts'
import type { FeatureSettings } from '../src/core/lexical/features.ts'

const ROUNDS = 3
const BATCH_ROWS = 8192

const root = join(import.meta.dirname, '..')
const titles = [join(root, '..', 'shared', 'data', 'catalog.jsonl.gz'), join(root, 'examples', 'products.jsonl')]
const { positionals } = benchArguments({}, 3)
const [dir = join(root, 'models/taxonomy/champion'), file = titles.find((it) => existsSync(it))!, most = '2'] =
  positionals
present(file)
const folder = await readModelFolder(dir)
const inputs: string[][] = []
for await (const { value } of readLines(file)) {
  const { title, brand } = value as { title: string; brand?: string }
  inputs.push([title, brand ?? ''])
}

hashing()
for (const workers of new Set([1, Number(most)])) await pool(workers)

function hashing(): void {
  const extract = extractor(folder.manifest.features as unknown as FeatureSettings)
  let features = 0
  const seconds = best(() => {
    features = 0
    for (const texts of inputs) features += extract(texts.map(normalise)).size
  })
  say('hashing alone, one thread', inputs.length / seconds, `${(features / inputs.length).toFixed(0)} features a title`)
}

async function pool(workers: number): Promise<void> {
  const model = await openModel(folder, { workers, emit: silent, task: 'bench' })
  let fastest = Infinity
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now()
    for (let from = 0; from < inputs.length; from += BATCH_ROWS)
      await model.classify(inputs.slice(from, from + BATCH_ROWS), { shortlist: 5 })
    if (round > 0) fastest = Math.min(fastest, (performance.now() - start) / 1000)
  }
  const singles = Float64Array.from({ length: 500 })
  for (let at = 0; at < singles.length; at++) {
    const start = performance.now()
    await model.classify([inputs[at % inputs.length]!], { shortlist: 5 })
    singles[at] = performance.now() - start
  }
  singles.sort()
  const latency = `one title alone: p50 ${singles[250]!.toFixed(2)} ms, p99 ${singles[495]!.toFixed(2)} ms`
  say(`pool of ${workers}`, inputs.length / fastest, latency)
  await model.close()
}

function best(work: () => void): number {
  let fastest = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    work()
    fastest = Math.min(fastest, (performance.now() - start) / 1000)
  }
  return fastest
}

function say(what: string, perSecond: number, note: string): void {
  process.stdout.write(`${what.padEnd(28)}${String(Math.round(perSecond)).padStart(9)} titles/s   ${note}\n`)
}
