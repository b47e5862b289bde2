// `sluice train`: labelled rows in, a model folder out. A kind of model is a line of KINDS and a file train-<kind>.ts.
// The folder appears whole at the end or not at all.
import { join } from 'node:path'
import { checkRoom, writeModelFolder } from '../adapters/files/model-folder.ts'
import { progressView } from '../adapters/terminal/progress.ts'
import { closest } from '../core/closest.ts'
import { SluiceError } from '../core/error.ts'
import { findTask, numberOf, parse } from './command.ts'
import { dataOfTask, firstRow, readRows } from './train-rows.ts'
import type { NewModelFolder } from '../adapters/files/model-folder.ts'
import type { ProgressView } from '../adapters/terminal/progress.ts'
import type { Task } from '../core/task.ts'
import type { Row } from '../learn/examples.ts'
import type { Manifest } from '../ports/manifest.ts'
import type { Options } from './command.ts'

/** What a file train-<kind>.ts exports. */
export interface TrainKind {
  readonly train: (job: TrainJob) => Promise<Trained>
  /** Options of this kind alone, by name. */
  readonly options?: Readonly<Record<string, KindOption>>
}

/** `--name VALUE`; the value is handed on as text. */
export interface KindOption {
  /** What stands for the value in the help: NAME, MINUTES, … */
  readonly value: string
  readonly says: string
  readonly default?: string
}

/** What a kind's trainer is given … */
export interface TrainJob {
  /** Of all files in order; to be read once. */
  readonly rows: AsyncIterable<Row> | Iterable<Row>
  /** Complete once the rows are read. */
  readonly files: Manifest['data']
  /** Whose label set and segments the model is to have, with --task. */
  readonly task?: Pick<Task, 'labels' | 'segments'> | undefined
  /** Values of the kind's own options. */
  readonly options: Readonly<Record<string, string | undefined>>
  readonly seed: number
  readonly signal: AbortSignal
  readonly view: ProgressView
  /** The command line that repeats the run and prints every figure. */
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

interface Listed {
  readonly says: string
  /** What it learns from, where that is one of both: titles, or pairs of a query and a product. */
  readonly of?: 'titles' | 'pairs'
  readonly load: () => Promise<TrainKind>
}

const KINDS: Readonly<Record<string, Listed>> = {
  lexical: {
    says: 'words and pieces of words; the default for labelled texts',
    of: 'titles',
    load: () => import('./train-lexical.ts'),
  },
  pair: {
    says: 'relevance of a product to a query; the default for pairs',
    of: 'pairs',
    load: () => import('./train-pair.ts'),
  },
  encoder: {
    says: 'heads over a frozen encoder (`sluice models pull`)',
    of: 'titles',
    load: () => import('./train-encoder.ts'),
  },
  stack: {
    says: 'lexical first, the encoder for what that is not sure of; the most accurate for texts',
    of: 'titles',
    load: () => import('./train-stack.ts'),
  },
  'pair-stack': {
    says: 'pair first, a transformer fine-tuned here for what that is not sure of; the most accurate for pairs',
    of: 'pairs',
    load: () => import('./train-pair-stack.ts'),
  },
  transformer: {
    says: 'a small transformer fine-tuned end to end, on pairs or on texts; slow to train and to answer',
    load: () => import('./train-transformer.ts'),
  },
}

const OPTIONS = {
  kind: { type: 'string' },
  data: { type: 'string', multiple: true, default: [] },
  task: { type: 'string' },
  out: { type: 'string' },
  seed: { type: 'string', default: '1' },
} as const satisfies Options

async function help(): Promise<string> {
  const kinds = await Promise.all(
    Object.entries(KINDS).map(async ([name, { says, load }]) => {
      const own = Object.entries((await load()).options ?? {}).map(
        ([option, { value, says: what, default: usual }]) =>
          `    ${`--${option} ${value}`.padEnd(20)} ${what}${usual === undefined ? '' : ` (default ${usual})`}`,
      )
      return [`  ${name.padEnd(12)} ${says}`, ...own].join('\n')
    }),
  )
  return `usage: sluice train --data FILE [--data FILE …] --out DIR [--kind KIND] [--seed N] [--json]
       sluice train --task NAME [--data FILE …] [--out DIR] …

Trains a local model on JSON lines (.jsonl or .jsonl.gz) and writes a model folder.
Rows {"title", "brand"?, "label": [l1, l2, …]} make a text classifier whose label set is read from the file;
rows {"query", "product": {"title", …}, "label", "grade"?} make a relevance model; a grade is the number, the mean of
several raters' say, from which the label was cut: transformers learn from it.
--task gives the model the label set and the segments of that task of sluice.yaml; its data is what lies in
models/NAME/data/ unless --data is given, and the model goes to models/NAME/candidate unless --out is given.

Kinds and their own options:
${kinds.join('\n')}
`
}

export async function run(args: string[]): Promise<number> {
  const named = valueOf('--kind', args)
  const own = named === undefined ? undefined : ((await kindOf(named).load()).options ?? {})
  const { values } = await parseFor(named, own ?? {}, args)
  if (values.help) {
    process.stdout.write(await help())
    return 0
  }
  const seed = numberOf('seed', values.seed, { whole: true })
  const found = values.task === undefined ? undefined : await findTask(values.config, values.task)
  const data = values.data.length > 0 || !found ? values.data : await dataOfTask(found)
  const out = values.out ?? (found && join(found.dir, 'candidate'))
  if (data.length === 0) throw new SluiceError('SL104', 'train needs --data FILE or --task NAME')
  if (out === undefined) throw new SluiceError('SL104', 'train needs --out DIR')
  await checkRoom(out)
  const started = performance.now()
  const view = progressView(values.json)
  const abort = new AbortController()
  const interrupt = () => abort.abort(new SluiceError('SL505', 'nothing was written'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const { train } = await kindFor(named, await firstRow(data)).load()
    const { rows, files } = await readRows(data, abort.signal)
    const options = Object.fromEntries(
      Object.keys(own ?? {}).map((name) => [name, (values as Record<string, unknown>)[name] as string | undefined]),
    )
    const config = found && values.config !== 'sluice.yaml' ? values.config : undefined
    const command = commandLine({ kind: named, config, task: values.task, data, out, seed: values.seed, ...options })
    const job = { rows, files, task: found?.task, options, seed, signal: abort.signal, view, command }
    const trained = await train(job)
    abort.signal.throwIfAborted()
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

/** The kind that is named, or the usual one for rows of this shape. Throws SL104 where it learns from others. */
function kindFor(named: string | undefined, row: unknown): Listed {
  const has = (field: string) => typeof row === 'object' && row !== null && field in row
  const found = has('query') ? 'pairs' : has('title') ? 'titles' : undefined
  if (named === undefined) return kindOf(found === 'pairs' ? 'pair' : 'lexical')
  const kind = kindOf(named)
  if (found === undefined || kind.of === undefined || kind.of === found) return kind
  const others = Object.entries(KINDS).flatMap(([name, other]) => (other.of === kind.of ? [] : [name]))
  throw new SluiceError(
    'SL104',
    `--kind ${named} learns from ${kind.of}, the rows are ${found}: for them ${others.join(', ')}`,
  )
}

function kindOf(name: string): Listed {
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined
  if (kind) return kind
  const near = closest(name, Object.keys(KINDS))
  const all = Object.keys(KINDS).join(', ')
  throw new SluiceError('SL104', `no kind "${name}"; there is ${all}${near ? ` (did you mean ${near}?)` : ''}`)
}

/** Which options are known depends on the kind, so the kind is read before the options are. */
function valueOf(option: string, args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === option || arg.startsWith(`${option}=`))
  return at === -1 ? undefined : (args[at]!.split('=')[1] ?? args[at + 1])
}

function parseable(own: NonNullable<TrainKind['options']>): Options {
  return Object.fromEntries(
    Object.entries(own).map(([name, { default: usual }]) => [
      name,
      { type: 'string', ...(usual === undefined ? {} : { default: usual }) },
    ]),
  )
}

/** Throws SL104 as `parse` does, and says so where an unknown option is one of another kind. */
async function parseFor(named: string | undefined, own: NonNullable<TrainKind['options']>, args: readonly string[]) {
  try {
    return parse(args, { ...OPTIONS, ...parseable(own) } as typeof OPTIONS)
  } catch (error) {
    const given = args.filter((arg) => arg.startsWith('--')).map((arg) => arg.slice(2).split('=')[0]!)
    for (const [kind, { load }] of Object.entries(KINDS)) {
      if (kind === named) continue
      const options = (await load()).options ?? {}
      const taken = given.find((name) => Object.hasOwn(options, name) && !Object.hasOwn(own, name))
      if (taken !== undefined)
        throw new SluiceError('SL104', `--${taken} belongs to --kind ${kind}${named ? `, not to ${named}` : ''}`)
    }
    throw error
  }
}

function commandLine(options: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const words = Object.entries(options).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [value].flat().map((text) => `--${name} ${/^[\w./:@+-]+$/.test(text) ? text : `'${text}'`}`),
  )
  return `sluice train ${words.join(' ')} --json`
}
