// The encoder port on a piscina pool: one session a thread, chunks of texts out, vectors back.
// An inference is never aborted: what runs is waited for. Keeps nothing; the cache of vectors is another adapter's.
import { Piscina } from 'piscina'
import { SluiceError } from '../../core/error.ts'
import { watchStarts } from './threads.ts'
import type { Encoder } from '../../ports/encoder.ts'
import type { EncoderData } from './encoder-worker.ts'

const CHUNK_TEXTS = 128

/** Throws SluiceError SL501 where graph or tokenizer cannot be used; `workers` 0: one a core. */
export async function startEncoder(data: EncoderData, options: { readonly workers: number }): Promise<Encoder> {
  const threads = options.workers === 0 ? navigator.hardwareConcurrency : options.workers
  const { dims, name } = data.settings
  const shared = new Uint8Array(new SharedArrayBuffer(data.graph.length))
  shared.set(data.graph)
  const pool = new Piscina({
    filename: new URL('./encoder-worker.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    workerData: { ...data, graph: shared } satisfies EncoderData,
  })
  const started = watchStarts(pool)
  pool.on('error', () => {}) // a thread that ended between two tasks is replaced: the next task says what is wrong, if it is
  const run = (texts: readonly string[]) =>
    (pool.run(texts) as Promise<Float32Array>).catch((error: unknown) => {
      throw new SluiceError('SL501', (error as Error).message ?? `encoder ${name} does not run`, { cause: error })
    })
  try {
    await run(['a'])
  } catch (error) {
    await started()
    await pool.destroy()
    throw error
  }
  return {
    dims,
    async encode(texts, { signal, onDone }) {
      const out = new Float32Array(texts.length * dims)
      const order = Int32Array.from(texts, (_, row) => row).sort((a, b) => texts[a]!.length - texts[b]!.length)
      let next = 0
      let done = 0
      const lane = async () => {
        while (next < order.length) {
          signal.throwIfAborted()
          const rows = order.subarray(next, (next += CHUNK_TEXTS))
          const vectors = await run(Array.from(rows, (row) => texts[row]!))
          rows.forEach((row, at) => out.set(vectors.subarray(at * dims, (at + 1) * dims), row * dims))
          onDone((done += rows.length))
        }
      }
      const lanes = await Promise.allSettled(Array.from({ length: threads * 2 }, lane))
      for (const one of lanes) if (one.status === 'rejected') throw one.reason
      return out
    },
    async close() {
      await started()
      await pool.close()
    },
  }
}
