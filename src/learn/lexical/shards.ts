// Runs the sparse half of the lexical model on worker threads: each owns some columns of the table.
// Everything travels through shared memory; messages only say go. Deterministic: columns never mix.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { shard } from './shard.ts'
import type { AdamW } from '../adamw.ts'
import type { SparseBatch } from './shard.ts'

export interface ShardsSettings {
  readonly buckets: number
  readonly width: number
  /** Threads; width is a multiple of it. */
  readonly threads: number
  readonly batchRows: number
  readonly batchFeatures: number
  readonly adamw: AdamW
}

type Buffers = { readonly [K in 'offsets' | 'ids' | 'weights']: SharedArrayBuffer }

interface Setup {
  readonly settings: ShardsSettings
  readonly columns: number
  readonly at: number
  readonly table: SharedArrayBuffer
  readonly sums: SharedArrayBuffer
  readonly gradient: SharedArrayBuffer
  readonly batches: readonly Buffers[]
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

const shared = (floats: number) => new SharedArrayBuffer(floats * 4)

export function startShards(settings: ShardsSettings): Shards {
  const { buckets, width, threads, batchRows, batchFeatures } = settings
  const columns = width / threads
  const sums = shared(batchRows * width)
  const gradient = shared(batchRows * width)
  const buffers = [0, 1].map(() => ({
    offsets: shared(batchRows + 1),
    ids: shared(batchFeatures),
    weights: shared(batchFeatures),
  }))
  const batches = buffers.map(viewBatch)
  const tables: Float32Array[] = []
  const workers = Array.from({ length: threads }, (_, index) => {
    const table = shared(buckets * columns)
    tables.push(new Float32Array(table))
    const setup: Setup = { settings, columns, at: index * columns, table, sums, gradient, batches: buffers }
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
    sums: new Float32Array(sums),
    gradient: new Float32Array(gradient),
    tables,
    forward: (batch) => ask({ kind: 'forward', batch, rows: batches[batch]!.rows }),
    backward: (batch, rate, step) => ask({ kind: 'backward', batch, rows: batches[batch]!.rows, rate, step }),
    close: () => Promise.all(workers.map((worker) => worker.terminate())).then(() => {}),
  }
}

function viewBatch(buffers: Buffers): SparseBatch {
  return {
    rows: 0,
    offsets: new Int32Array(buffers.offsets),
    ids: new Int32Array(buffers.ids),
    weights: new Float32Array(buffers.weights),
  }
}

function serve(setup: Setup): void {
  const { settings, columns, at } = setup
  const own = shard(new Float32Array(setup.table), columns, settings.batchRows, settings.adamw)
  const sums = new Float32Array(setup.sums)
  const gradient = new Float32Array(setup.gradient)
  const batches = setup.batches.map(viewBatch)
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

if (!isMainThread && (workerData as Partial<Setup> | null)?.table !== undefined) serve(workerData as Setup)
