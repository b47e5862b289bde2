// `sluice train` beside what a user would train elsewhere, on the same file, split and two cores, in one run:
// scikit-learn's tf-idf + LinearSVC and fastText, which the script sets up from PyPI in a folder of Sluice's cache.
//   npm run bench train [-- --data FILE] [--only NAME,…] [--json]
// By default catalog and grocery where ../shared/data is, else the labelled products of examples/.
// Wall time runs from the rows on disk to the model on disk, in a process of its own: start, reading, validation,
// calibration and all. Ratios within one run are what a busy machine leaves standing.
import { createWriteStream, existsSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { once } from 'node:events'
import { which } from '../scripts/stack/system.ts'
import { handleSignals, removeAtExit, run } from '../scripts/process.ts'
import { readLines } from '../src/adapters/files/rows.ts'
import { hash32 } from '../src/core/random.ts'
import { normalise } from '../src/core/text/normalise.ts'
import { pythonWith } from '../test/support/python.ts'
import { benchArguments, present } from './support/arguments.ts'

const SLUICE = 'sluice train'
/** Names of peers.py; the first is what the wall times of all are compared with. */
const PEERS = ['linear-svc', 'linear-svc-2', 'fasttext', 'fasttext-subword']
const CORES = '0,1'
const TEST_SHARE = 0.2
/** Another one than `sluice train` chooses its validation part with. */
const SPLIT_SEED = 20
const STEP_TIMEOUT_MS = 3_600_000
const ROOT = join(import.meta.dirname, '..')
const MAIN = join(ROOT, 'src/cli/main.ts')
/** Says at its end what the whole process, all threads, took. */
const SAY_USE = `data:text/javascript,import{isMainThread}from'node:worker_threads';if(isMainThread)process.on('exit',()=>{const u=process.resourceUsage();console.log(JSON.stringify({peak_bytes:u.maxRSS*1024,cpu_s:(u.userCPUTime+u.systemCPUTime)/1e6}))})`

interface Contender {
  readonly name: string
  readonly accuracy: readonly number[]
  readonly seconds: number
  /** Of all threads and children: steadier than wall time on a busy machine. */
  readonly cpu_s: number
  readonly peak_bytes: number
  readonly model_bytes: number
  readonly titles_per_s: number
}

interface Comparison {
  readonly data: string
  readonly rows: { readonly train: number; readonly test: number }
  readonly contenders: readonly Contender[]
}

const { values: options } = benchArguments({
  data: { type: 'string', multiple: true, default: [] },
  only: { type: 'string', default: [SLUICE, ...PEERS].join() },
  json: { type: 'boolean', default: false },
})
const usual = ['catalog', 'grocery'].map((name) => join(ROOT, '..', 'shared', 'data', `${name}.jsonl.gz`))
const here = usual.filter((file) => existsSync(file))
const files = options.data.length > 0 ? options.data : here.length > 0 ? here : ['examples/labelled-products.jsonl']
files.forEach(present)
const taskset = which('taskset')
const python = await pythonWith(join(ROOT, 'bench/train/requirements.txt'))
if ('missing' in python) process.stderr.write(`without scikit-learn and fastText: ${python.missing}\n`)

handleSignals()
for (const file of files) {
  const comparison = await compare(file)
  process.stdout.write(options.json ? `${JSON.stringify(comparison)}\n` : table(comparison))
}

async function compare(file: string): Promise<Comparison> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const keep = removeAtExit(dir)
  try {
    const rows = await splitInto(dir, file)
    const contenders: Contender[] = []
    for (const name of options.only.split(',')) {
      process.stderr.write(`${basename(file)}: ${name}\n`)
      if (name === SLUICE) contenders.push(await sluice(dir))
      else if ('command' in python) contenders.push(await peer(name, dir, python.command))
    }
    return { data: basename(file), rows, contenders }
  } finally {
    await rm(dir, { recursive: true, force: true })
    keep()
  }
}

/** Rows with equal titles come to the same side. */
async function splitInto(dir: string, file: string): Promise<Comparison['rows']> {
  const rows = { train: 0, test: 0 }
  const sides = { train: createWriteStream(join(dir, 'train.jsonl')), test: createWriteStream(join(dir, 'test.jsonl')) }
  for await (const { value } of readLines(file)) {
    const { title } = value as { title: string }
    const side = hash32(normalise(title), SPLIT_SEED) / 2 ** 32 < TEST_SHARE ? 'test' : 'train'
    rows[side]++
    if (!sides[side].write(`${JSON.stringify(value)}\n`)) await once(sides[side], 'drain')
  }
  await Promise.all(Object.values(sides).map((stream) => once(stream.end(), 'finish')))
  return rows
}

async function sluice(dir: string): Promise<Contender> {
  const out = join(dir, 'model')
  const args = ['--import', SAY_USE, MAIN]
  const trained = await step(process.execPath, [
    ...args,
    'train',
    '--data',
    join(dir, 'train.jsonl'),
    '--out',
    out,
    '--json',
  ])
  const use = trained.said as Pick<Contender, 'peak_bytes' | 'cpu_s'>
  const tested = await step(process.execPath, [
    MAIN,
    'evaluate',
    '--model',
    out,
    '--data',
    join(dir, 'test.jsonl'),
    '--json',
  ])
  const { accuracy, itemsPerSecond } = tested.said as { accuracy: Record<string, number>; itemsPerSecond: number }
  const model_bytes = (await stat(join(out, 'model.onnx'))).size
  const { seconds } = trained
  return {
    name: SLUICE,
    accuracy: Object.values(accuracy),
    seconds,
    ...use,
    model_bytes,
    titles_per_s: itemsPerSecond,
  }
}

async function peer(name: string, dir: string, command: string): Promise<Contender> {
  const script = join(ROOT, 'bench/train/peers.py')
  const model = join(dir, `${name}.model`)
  const trained = await step(command, [script, 'train', name, join(dir, 'train.jsonl'), model])
  const tested = await step(command, [script, 'test', name, join(dir, 'test.jsonl'), model])
  await rm(model)
  const { seconds, said } = trained
  return {
    name,
    seconds,
    ...(said as Pick<Contender, 'peak_bytes' | 'cpu_s' | 'model_bytes'>),
    ...(tested.said as Pick<Contender, 'accuracy' | 'titles_per_s'>),
  }
}

/** One process to its end: how long it took, and the JSON line that it said last. */
async function step(command: string, args: readonly string[]): Promise<{ seconds: number; said: unknown }> {
  const pinned = taskset === undefined ? [command, ...args] : [taskset, '-c', CORES, command, ...args]
  const start = performance.now()
  const { code, output } = await run(pinned[0]!, pinned.slice(1), { timeout_ms: STEP_TIMEOUT_MS })
  const seconds = (performance.now() - start) / 1000
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${output}`)
  return { seconds, said: JSON.parse(output.trim().split('\n').at(-1)!) }
}

function table({ data, rows, contenders }: Comparison): string {
  const yardstick = contenders.find(({ name }) => name === PEERS[0])
  const levels = contenders[0]?.accuracy.map((_, level) => `l${level + 1}`) ?? []
  const lines = contenders.map(({ name, accuracy, seconds, cpu_s, peak_bytes, model_bytes, titles_per_s }) => [
    name,
    ...accuracy.map((share) => (100 * share).toFixed(1)),
    seconds.toFixed(1),
    yardstick ? (seconds / yardstick.seconds).toFixed(2) : '–',
    cpu_s.toFixed(1),
    (peak_bytes / 1e6).toFixed(0),
    (model_bytes / 1e6).toFixed(1),
    Math.round(titles_per_s).toString(),
  ])
  const head = [
    'trained',
    ...levels,
    'wall, s',
    `of ${PEERS[0]}`,
    'processor, s',
    'peak, MB',
    'model, MB',
    'titles/s, one thread',
  ]
  const where = taskset === undefined ? 'on all cores' : `on cores ${CORES}`
  const said = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`)
  return `${data}: ${rows.train} rows to learn from, ${rows.test} to measure with, ${where}\n\n${said.join('\n')}\n\n${claim(contenders)}\n`
}

/** What this run says of the claim that `sluice train` is both more accurate and faster than LinearSVC. */
function claim(contenders: readonly Contender[]): string {
  const own = contenders.find(({ name }) => name === SLUICE)
  const svm = contenders.filter(({ name }) => name.startsWith(PEERS[0]!))
  if (!own || svm.length === 0) return ''
  const leaf = Math.max(...svm.map(({ accuracy }) => accuracy.at(-1)!))
  const seconds = Math.min(...svm.map((it) => it.seconds))
  const verdict = own.accuracy.at(-1)! > leaf && own.seconds < seconds ? 'holds' : 'does not hold'
  return `sluice train beats LinearSVC in accuracy and wall time: ${verdict} in this run (leaf ${(100 * own.accuracy.at(-1)!).toFixed(1)} against ${(100 * leaf).toFixed(1)}, ${own.seconds.toFixed(0)} s against ${seconds.toFixed(0)} s)\n`
}
