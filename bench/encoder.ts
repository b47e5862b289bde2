// How much of raw onnxruntime-node's throughput the encoder's pool keeps: the same graph on the same batches, tokens
// made beforehand for the raw side, turn by turn in one run so that a busy machine is unfair to both alike.
//   npm run bench encoder [NAME DATA.jsonl[.gz] [workers] [titles]]
// By default minilm on catalog titles where ../shared/data is, else on those of examples/. Needs `sluice models pull`.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { readEncoder } from '../src/adapters/files/encoder-store.ts'
import { readLines } from '../src/adapters/files/rows.ts'
import { startEncoder } from '../src/adapters/onnx/encoder-pool.ts'
import { tokenBatches } from '../src/adapters/onnx/encoder.ts'
import { openTokenizer } from '../src/adapters/onnx/tokenizer.ts'
import { sentence } from '../src/core/text/sentence.ts'
import { benchArguments, present } from './support/arguments.ts'
import type { TokenBatch } from '../src/adapters/onnx/encoder.ts'

const ROUNDS = 5
/** As the pool cuts them, so that batches are the same. */
const CHUNK_TEXTS = 128

interface RawData {
  readonly graph: Uint8Array
  readonly batches: readonly TokenBatch['feeds'][]
}

if (isMainThread) await main()
else await raw(workerData as RawData)

async function main(): Promise<void> {
  const root = join(import.meta.dirname, '..')
  const usual = [join(root, '..', 'shared', 'data', 'catalog.jsonl.gz'), join(root, 'examples', 'products.jsonl')]
  const { positionals } = benchArguments({}, 4)
  const [name = 'minilm', file = usual.find((it) => existsSync(it))!, workers = '2', most = '1024'] = positionals
  present(file)
  const files = await readEncoder(name)
  const texts: string[] = []
  for await (const { value } of readLines(file)) {
    const { title, brand } = value as { title: string; brand?: string }
    if (texts.push(sentence([title, brand ?? ''])) === Number(most)) break
  }
  texts.sort((a, b) => a.length - b.length)
  const threads = Number(workers)
  const tokenize = openTokenizer(files.tokenizer, files.settings.tokensMax)
  const lanes: TokenBatch['feeds'][][] = Array.from({ length: threads }, () => [])
  for (let from = 0, at = 0; from < texts.length; from += CHUNK_TEXTS, at++)
    for (const { feeds } of tokenBatches(
      texts.slice(from, from + CHUNK_TEXTS).map((text) => tokenize(files.settings.prefix + text)),
    ))
      lanes[at % threads]!.push(feeds)
  const pool = await startEncoder(files, { workers: threads })
  const peers = lanes.map(
    (batches) => new Worker(new URL(import.meta.url), { workerData: { graph: files.graph, batches } }),
  )
  await Promise.all(peers.map(answered))
  const ratios: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const rawSeconds = await timed(() =>
      Promise.all(
        peers.map((peer) => {
          const done = answered(peer)
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
          peer.postMessage('go')
          return done
        }),
      ),
    )
    const poolSeconds = await timed(() =>
      pool.encode(texts, { signal: new AbortController().signal, onDone: () => {} }),
    )
    if (round === 0) continue
    ratios.push(rawSeconds / poolSeconds)
    const rate = (seconds: number) => `${Math.round(texts.length / seconds)} titles/s`
    process.stdout.write(`raw ${rate(rawSeconds)}, pool with tokens and pooling ${rate(poolSeconds)}\n`)
  }
  ratios.sort((a, b) => a - b)
  const median = ratios[ratios.length >> 1]!
  process.stdout.write(
    `${name}, ${threads} threads, ${texts.length} titles: the pool keeps ${(100 * median).toFixed(1)} % of raw (median of ${ROUNDS})\n`,
  )
  await pool.close()
  await Promise.all(peers.map((peer) => peer.terminate()))
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

function answered(peer: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    peer.once('message', () => resolve())
    peer.once('error', reject)
  })
}

/** A thread that only runs the graph. */
async function raw({ graph, batches }: RawData): Promise<void> {
  const session = await InferenceSession.create(Uint8Array.from(graph), { intraOpNumThreads: 1, interOpNumThreads: 1 })
  const fed = batches.map((feeds) =>
    Object.fromEntries(
      session.inputNames.map((name) => {
        const { dtype, data, dims } = feeds[name]!
        return [name, new Tensor(dtype, data, dims)]
      }),
    ),
  )
  const port = parentPort!
  port.on('message', async () => {
    for (const feeds of fed) await session.run(feeds)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    port.postMessage('done')
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  port.postMessage('ready')
}
