// Runs the sparse half of the lexical model on worker threads: each owns some columns of the table.
// Everything lies in one shared memory; messages only say go. Deterministic: columns never mix.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { arena, bytesOf, sharedMemory } from '../simd.ts'
import { shard, shardArrays, shardBytes } from './shard.ts'
import type { SharedMemory } from '../simd.ts'
import type { AdamW } from '../adamw.ts'
import type { ShardArrays, SparseBatch } from './shard.ts'

export interface ShardsSettings {
  readonly buckets: number
  readonly width: number
  /** Threads; width is a multiple of eight times their number. */
  readonly threads: number
  readonly batchRows: number
  readonly batchFeatures: number
  readonly adamw: AdamW
}

interface Setup {
  readonly memory: SharedMemory
  readonly settings: ShardsSettings
  readonly columns: number
  readonly at: number
  readonly arrays: ShardArrays
  readonly sums: Float32Array
  readonly gradient: Float32Array
  readonly batches: readonly SparseBatch[]
}

type Command =
  | { readonly kind: 'forward'; readonly batch: number; readonly rows: number }
  | {
      readonly kind: 'backward'
      readonly batch: number
      readonly rows: number
      readonly rate: number
      readonly step: number
    }

export interface Shards {
  /** Two batches to fill in turn. */
  readonly batches: readonly SparseBatch[]
  /** [batchRows × width]: written by forward. */
  readonly sums: Float32Array
  /** [batchRows × width]: read by backward. */
  readonly gradient: Float32Array
  /** One table per thread: [buckets × width/threads]. */
  readonly tables: readonly Float32Array[]
  forward(batch: number): Promise<void>
  backward(batch: number, rate: number, step: number): Promise<void>
  close(): Promise<void>
}

const BATCHES = 2

export function startShards(settings: ShardsSettings): Shards {
  const { buckets, width, threads, batchRows, batchFeatures } = settings
  const columns = width / threads
  const size = { buckets, columns, features: batchFeatures }
  const batchBytes = bytesOf(batchRows + 1) + 2 * bytesOf(batchFeatures)
  const memory = sharedMemory(threads * shardBytes(size) + 2 * bytesOf(batchRows * width) + BATCHES * batchBytes)
  const { floats, ints } = arena(memory)
  const sums = floats(batchRows * width)
  const gradient = floats(batchRows * width)
  const batches = Array.from({ length: BATCHES }, () => ({
    rows: 0,
    offsets: ints(batchRows + 1),
    ids: ints(batchFeatures),
    weights: floats(batchFeatures),
  }))
  const arrays = Array.from({ length: threads }, () => shardArrays({ floats, ints }, size))
  const workers = arrays.map((own, index) => {
    const setup: Setup = { memory, settings, columns, at: index * columns, arrays: own, sums, gradient, batches }
    return new Worker(new URL(import.meta.url), { workerData: setup })
  })
  const ask = (command: Command) =>
    Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.once('error', reject)
            worker.once('message', () => {
              worker.off('error', reject)
              resolve()
            })
            // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
            worker.postMessage(command)
          }),
      ),
    ).then(() => {})
  return {
    batches,
    sums,
    gradient,
    tables: arrays.map(({ table }) => table),
    forward: (batch) => ask({ kind: 'forward', batch, rows: batches[batch]!.rows }),
    backward: (batch, rate, step) => ask({ kind: 'backward', batch, rows: batches[batch]!.rows, rate, step }),
    close: () => Promise.all(workers.map((worker) => worker.terminate())).then(() => {}),
  }
}

function serve({ memory, settings, columns, at, arrays, sums, gradient, batches }: Setup): void {
  const own = shard(memory, arrays, columns, settings.adamw)
  const port = parentPort!
  port.on('message', (command: Command) => {
    const batch = batches[command.batch]!
    batch.rows = command.rows
    if (command.kind === 'forward') own.forward(batch, sums, settings.width, at)
    else own.backward(batch, gradient, settings.width, at, command.rate, command.step)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    port.postMessage('done')
  })
}

if (!isMainThread && (workerData as Partial<Setup> | null)?.arrays !== undefined) serve(workerData as Setup)
