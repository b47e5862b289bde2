// Fine-tuning here beside PyTorch: the same encoder with the same weights, the same rows cut into batches the same way,
// the same number of threads, one run.
//   npm run bench transformer [-- --data FILE] [--rows N] [--rounds N] [--threads N] [--json]
// By default homedepot where ../shared/data is, else the pairs of examples/. Fetches the encoder if it is not there, and
// sets PyTorch up from PyPI in a folder of Sluice's cache. The contenders take turns: a busy machine slows all of them.
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { handleSignals, removeAtExit, run } from '../scripts/process.ts'
import { readEncoder } from '../src/adapters/files/encoder-store.ts'
import { readLines } from '../src/adapters/files/rows.ts'
import { runtime } from '../src/adapters/onnx/runtime.ts'
import { openPairTokenizer } from '../src/adapters/onnx/tokenizer.ts'
import { random } from '../src/core/random.ts'
import { fed } from '../src/learn/transformer/answers.ts'
import { shuffledBatches, tokenFeeds } from '../src/learn/transformer/batches.ts'
import { fitTransformer } from '../src/learn/transformer/fit.ts'
import { foldConstants } from '../src/learn/transformer/fold.ts'
import { TRANSFORMER } from '../src/learn/transformer/settings.ts'
import { transformerExamples } from '../src/learn/transformer/examples.ts'
import { pythonWith } from '../test/support/python.ts'
import { benchArguments, present } from './support/arguments.ts'
import type { Row } from '../src/learn/examples.ts'
import type { TokenRow } from '../src/learn/transformer/fit.ts'
import type { GraphSpec } from '../src/ports/graph.ts'

const ROOT = join(import.meta.dirname, '..')
const ENCODER = 'minilm'
const HEADS = 12
/** Steps before the clock starts. */
const WARMUP = 2
const SEED = 1
const PEER_TIMEOUT_MS = 1_800_000

interface Lap {
  readonly seconds: number
  readonly cpu_s: number
  readonly rows: number
}

const { values: options } = benchArguments({
  data: { type: 'string' },
  rows: { type: 'string', default: '640' },
  rounds: { type: 'string', default: '2' },
  threads: { type: 'string', default: '2' },
  json: { type: 'boolean', default: false },
})
const threads = Number(options.threads)
const usual = join(ROOT, '..', 'shared', 'data', 'homedepot.jsonl.gz')
const data = present(options.data ?? (existsSync(usual) ? usual : join(ROOT, 'examples/pairs.jsonl')))

handleSignals()
const encoder = await readEncoder(ENCODER).catch(async () => {
  const pulled = await run(process.execPath, [join(ROOT, 'src/cli/main.ts'), 'models', 'pull', ENCODER], {
    timeout_ms: PEER_TIMEOUT_MS,
  })
  if (pulled.code !== 0) throw new Error(`the encoder cannot be had: ${pulled.output}`)
  return readEncoder(ENCODER)
})
const graph = await foldConstants(runtime, runtime.read(encoder.graph))
const { rows, classes } = await pairs()
const python = await pythonWith(join(ROOT, 'bench/transformer/requirements.txt'))
if ('missing' in python) process.stderr.write(`without PyTorch: ${python.missing}\n`)
const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const keep = removeAtExit(dir)
try {
  await handOver()
  const laps: Record<string, Lap[]> = {}
  for (let round = 0; round < Number(options.rounds); round++) {
    ;(laps['sluice (float32)'] ??= []).push(await here())
    if ('missing' in python) continue
    for (const precision of ['float32', 'bfloat16'])
      (laps[`PyTorch (${precision})`] ??= []).push(await peer(python.command, precision))
  }
  report(laps, await difference())
} finally {
  await rm(dir, { recursive: true, force: true })
  keep()
}

async function pairs(): Promise<{ rows: readonly TokenRow[]; classes: number }> {
  const read: Row[] = []
  for await (const { number, value } of readLines(data)) {
    read.push({ file: data, line: number, value })
    if (read.length === Number(options.rows)) break
  }
  const examples = await transformerExamples(read)
  const tokenize = openPairTokenizer(encoder.tokenizer, TRANSFORMER.tokensMax)
  return {
    classes: examples.labels.paths.length,
    rows: examples.rows.map(({ texts, label }) => ({ ...tokenize(texts[0]!, texts[1]), label, weight: 1 })),
  }
}

/** Largest difference between the vectors that the file gives and those of the graph that is trained. */
async function difference(): Promise<number> {
  const [file, trained] = await Promise.all(
    [encoder.graph, runtime.serialise(graph)].map(async (model) => {
      const compiled = await runtime.compile(model, { threads })
      const feeds = tokenFeeds(rows.slice(0, TRANSFORMER.batchRows))
      const [vectors] = Object.values(await compiled.run(fed(compiled, feeds)))
      await compiled.close()
      return vectors!.data as Float32Array
    }),
  )
  return file!.reduce((most, value, at) => Math.max(most, Math.abs(value - trained![at]!)), 0)
}

async function here(): Promise<Lap> {
  let [start, cpu, done] = [0, process.cpuUsage(), 0]
  const settings = { ...TRANSFORMER, threads, epochs: 1, dropout: 0, seed: SEED }
  let last: Lap = { seconds: 0, cpu_s: 0, rows: 0 }
  await fitTransformer(graph, { training: rows, validation: rows.slice(0, 1), classes }, settings, {
    runtime,
    signal: new AbortController().signal,
    onStep: (step) => {
      if (step < WARMUP) return
      if (step === WARMUP) [start, cpu, done] = [performance.now(), process.cpuUsage(), 0]
      else done += TRANSFORMER.batchRows
      const used = process.cpuUsage(cpu)
      last = { seconds: (performance.now() - start) / 1000, cpu_s: (used.user + used.system) / 1e6, rows: done }
    },
    onEpoch: () => {},
  })
  return last
}

/** Weights in the order in which the graph uses them, and batches as they are cut here. */
async function handOver(): Promise<void> {
  const weights = inOrder(graph)
  await writeFile(join(dir, 'weights.json'), JSON.stringify(weights.map(({ dims }) => dims)))
  await writeFile(
    join(dir, 'weights.bin'),
    Buffer.concat(
      weights.map(({ data: floats }) => new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)),
    ),
  )
  const lengths = rows.map(({ ids }) => ids.length)
  const batches = shuffledBatches(lengths, TRANSFORMER.batchRows, random(SEED)).map((batch) => {
    const own = Array.from(batch, (row) => rows[row]!)
    const feeds = tokenFeeds(own)
    const matrix = (name: string) => {
      const { dims, data: values } = feeds[name]!
      return own.map((_, row) => Array.from(values.subarray(row * dims[1]!, (row + 1) * dims[1]!), Number))
    }
    const [ids, mask, types] = ['input_ids', 'attention_mask', 'token_type_ids'].map(matrix)
    return { ids, mask, types, labels: own.map(({ label }) => label) }
  })
  const { learningRate } = TRANSFORMER
  await writeFile(
    join(dir, 'batches.json'),
    JSON.stringify({ batches, classes, heads: HEADS, warmup: WARMUP, learningRate }),
  )
}

function inOrder({ nodes, initializers }: GraphSpec) {
  const names = new Set(nodes.flatMap(({ inputs }) => inputs))
  return [...names].flatMap((name) => {
    const tensor = initializers[name]
    return tensor?.dtype === 'float32' && tensor.data.length > 1 ? [tensor] : []
  })
}

async function peer(command: string, precision: string): Promise<Lap> {
  const args = [join(ROOT, 'bench/transformer/peer.py'), dir, String(threads), precision]
  // Threads that spin while they wait cost a busy machine most of its time: seen, 7 instead of 18 pairs/s.
  const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' }
  const { code, output } = await run(command, args, { timeout_ms: PEER_TIMEOUT_MS, env })
  if (code !== 0) throw new Error(output)
  return JSON.parse(output.trim().split('\n').at(-1)!) as Lap
}

function report(laps: Readonly<Record<string, readonly Lap[]>>, apart: number): void {
  const tokens = rows.reduce((sum, { ids }) => sum + ids.length, 0) / rows.length
  const results = Object.entries(laps).map(([name, own]) => ({
    name,
    pairsPerSecond: Math.max(...own.map(({ rows: count, seconds }) => count / seconds)),
    pairsPerCpuSecond: Math.max(...own.map(({ rows: count, cpu_s }) => count / cpu_s)),
  }))
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ pairs: rows.length, tokens, threads, apart, results })}\n`)
    return
  }
  process.stdout.write(
    `${rows.length} pairs of ${tokens.toFixed(1)} tokens, batches of ${TRANSFORMER.batchRows}, ${threads} threads; best of ${options.rounds} rounds\n`,
  )
  process.stdout.write(
    `vectors of the file and of the graph that is trained: ${apart.toExponential(1)} apart at most\n`,
  )
  for (const { name, pairsPerSecond, pairsPerCpuSecond } of results)
    process.stdout.write(
      `${name.padEnd(20)} ${pairsPerSecond.toFixed(1).padStart(6)} pairs/s  ${pairsPerCpuSecond.toFixed(1).padStart(6)} pairs per core-second\n`,
    )
}
