// `sluice train`: labelled rows in, a model folder out. The kind of model follows from the rows.
// The folder appears whole at the end or not at all.
import { basename } from 'node:path'
import { fileDigest, readLines } from '../adapters/files/rows.ts'
import { makeRoom, writeModelFolder } from '../adapters/files/model-folder.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { SluiceError } from '../core/error.ts'
import { parse } from './command.ts'
import type { NewModelFolder } from '../adapters/files/model-folder.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { Row } from '../learn/examples.ts'
import type { Manifest } from '../ports/manifest.ts'

const HELP = `usage: sluice train --data FILE [--data FILE …] --out DIR [--seed N] [--json]

Trains a local model on JSON lines (.jsonl or .jsonl.gz) and writes a model folder.
Rows {"title", "brand"?, "label": [l1, l2, …]} make a text classifier whose label set is read from the file;
rows {"query", "product": {"title", …}, "label"} make a relevance model.
`

/** What a kind's trainer is given … */
export interface TrainJob {
  readonly rows: readonly Row[]
  readonly files: Manifest['data']
  readonly seed: number
  readonly signal: AbortSignal
  readonly view: ProgressView
  /** The command line that repeats the run. */
  readonly command: string
}

/** … and what it makes. */
export interface Trained {
  readonly folder: NewModelFolder
  /** For --json. */
  readonly figures: Readonly<Record<string, unknown>>
  /** For people, a line each. */
  readonly summary: readonly string[]
}

type Trainer = (job: TrainJob) => Promise<Trained>

const TRAINERS: Readonly<Record<Manifest['kind'], () => Promise<{ train: Trainer }>>> = {
  lexical: () => import('./train-lexical.ts'),
  pair: () => import('./train-pair.ts'),
}

export async function run(args: string[]): Promise<number> {
  const { values } = parse(args, {
    data: { type: 'string', multiple: true, default: [] },
    out: { type: 'string' },
    seed: { type: 'string', default: '1' },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const { out, data } = values
  const seed = Number(values.seed)
  if (data.length === 0) throw new SluiceError('SL104', 'train needs --data FILE')
  if (out === undefined) throw new SluiceError('SL104', 'train needs --out DIR')
  if (!Number.isInteger(seed)) throw new SluiceError('SL104', `--seed is a whole number, not "${values.seed}"`)
  await makeRoom(out, { dryRun: true })
  const started = performance.now()
  const { rows, files } = await readAll(data)
  const view = progressView(values.json)
  const abort = new AbortController()
  const interrupt = () => abort.abort(new SluiceError('SL503', 'interrupted; nothing was written'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const { train } = await TRAINERS[kindOf(rows)]()
    const command = `sluice train ${data.map((file) => `--data ${file}`).join(' ')} --out ${out} --seed ${seed}`
    const trained = await train({ rows, files, seed, signal: abort.signal, view, command })
    await writeModelFolder(out, trained.folder)
    const seconds = Math.round((performance.now() - started) / 100) / 10
    const bytes = trained.folder.model.length
    if (values.json) process.stdout.write(`${JSON.stringify({ out, seconds, bytes, ...trained.figures })}\n`)
    for (const line of trained.summary) view.line(line)
    view.line(`${out}: ${(bytes / 1e6).toFixed(1)} MB, ${seconds} s`)
    return 0
  } finally {
    view.stop()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

async function readAll(paths: readonly string[]): Promise<{ rows: Row[]; files: Manifest['data'] }> {
  const rows: Row[] = []
  const files = []
  for (const path of paths) {
    const before = rows.length
    const file = basename(path)
    for await (const { number, value } of readLines(path)) rows.push({ file, line: number, value })
    files.push({ file, rows: rows.length - before, sha256: await fileDigest(path) })
  }
  return { rows, files }
}

function kindOf(rows: readonly Row[]): Manifest['kind'] {
  const first = rows[0]?.value
  return typeof first === 'object' && first !== null && 'query' in first ? 'pair' : 'lexical'
}
