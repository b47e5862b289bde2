// How much memory `sluice train` takes for a million titles: rows from a file, a lexical model out, one pass a fit.
//   npm run bench train-memory [-- ROWS]
// The titles are made up (syllables, words by Zipf's law, 500 paths of three levels). Memory does not depend on the
// number of passes, so one is enough to measure it; a user's training makes more.
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { handleSignals, removeAtExit } from '../scripts/process.ts'
import { runtime } from '../src/adapters/onnx/runtime.ts'
import { readRows } from '../src/cli/train-rows.ts'
import { random } from '../src/core/random.ts'
import { taxonomyExamples } from '../src/learn/examples.ts'
import { LEXICAL } from '../src/learn/lexical/settings.ts'
import { trainLexical } from '../src/learn/lexical/train.ts'
import { benchArguments } from './support/arguments.ts'
import type { Progress } from '../src/learn/lexical/train.ts'

const { positionals } = benchArguments({}, 1)
const ROWS = Number(positionals[0] ?? 1_000_000)
const LIMIT_BYTES = 6e9
const LEVELS = [10, 10, 5]
const WORDS = 60_000
const SYLLABLES = 'ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu'.split(' ')

let start_ms = performance.now()
handleSignals()
const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const keep = removeAtExit(dir)
const file = join(dir, 'titles.jsonl')
await writeTitles(file)
say(`${ROWS} made-up titles, ${mega((await stat(file)).size)} on disk`)

const settings = { ...LEXICAL, epochsMin: 1, effort: 1 }
const signal = new AbortController().signal
start_ms = performance.now()
const { rows } = await readRows([file], signal)
const data = await taxonomyExamples(rows)
say(`read: ${data.labels.paths.length} labels, ${data.segments.join(' and ')}`)
const report = (progress: Progress) => {
  if (progress.kind === 'epoch') say(`epoch ${progress.epoch}`)
}
const { model, validation } = await trainLexical(data, settings, 1, { runtime, signal, report })
say(`exported: ${mega(model.length)}, leaf accuracy ${(100 * validation.servedAccuracy.at(-1)!).toFixed(1)} %`)
const peak = process.resourceUsage().maxRSS * 1024
process.stdout.write(`peak ${mega(peak)}, ${peak <= LIMIT_BYTES ? 'within' : 'BEYOND'} ${mega(LIMIT_BYTES)}\n`)
await rm(dir, { recursive: true, force: true })
keep()

function say(what: string): void {
  const { heapUsed, rss } = process.memoryUsage()
  const seconds = (performance.now() - start_ms) / 1000
  process.stdout.write(`${what}: ${seconds.toFixed(0)} s, resident ${mega(rss)}, of it heap in use ${mega(heapUsed)}\n`)
}

function mega(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

/** A title: one to three of its path's own few words, and three to eight of everybody's. */
async function writeTitles(path: string): Promise<void> {
  const next = random(1)
  const pick = (below: number) => Math.floor(next() * below)
  const word = (rank: number) => {
    const digits = [rank % 30, Math.floor(rank / 30) % 30, Math.floor(rank / 900) % 30, Math.floor(rank / 27_000)]
    return digits.map((digit) => SYLLABLES[digit]!).join('')
  }
  const zipf = () => Math.min(WORDS - 1, Math.floor(Math.exp(next() * Math.log(WORDS))))
  const stream = createWriteStream(path)
  for (let row = 0; row < ROWS; row++) {
    const path = LEVELS.map(pick)
    const leaf = path.reduce((index, name, level) => index * LEVELS[level]! + name, 0)
    const own = Array.from({ length: 1 + pick(3) }, () => word(leaf * 40 + pick(40)))
    const other = Array.from({ length: 3 + pick(6) }, () => word(zipf()))
    const title = [...own, ...other, `${row}`].join(' ')
    const label = path.map((_, level) => `c${path.slice(0, level + 1).join('.')}`)
    const line = JSON.stringify({ id: `m${row}`, title, brand: word(pick(2000)), label })
    if (!stream.write(`${line}\n`)) await once(stream, 'drain')
  }
  await once(stream.end(), 'finish')
}
