// Runs the sparse half of the lexical model on worker threads: each owns some columns of the table.
// Everything lies in one shared memory, orders too: a step of small batches takes less time than a message does.
// Deterministic: columns never mix.
import { once } from 'node:events'
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
  readonly orders: Orders
}

/** The order that all workers follow, and how many have done so. */
interface Orders {
  /** Whole numbers by `At`. */
  readonly words: Int32Array<SharedArrayBuffer>
  readonly rate: Float64Array<SharedArrayBuffer>
}

const At = { order: 0, done: 1, failed: 2, backward: 3, batch: 4, rows: 5, step: 6, count: 7 } as const

export interface Shards {
  /** Two batches to fill in turn. */
  readonly batches: readonly SparseBatch[]
  /** [batchRows × width]: written by forward. */
  readonly sums: Float32Array
  /** [batchRows × width]: read by backward. */
  readonly gradient: Float32Array
  /** One table per thread: [buckets × width/threads]. */
  readonly tables: readonly Float32Array[]
  /** Returns when the sums are there. */
  forward(batch: number): void
  /** Goes on while the caller does something else; the function that it gives returns when the tables are changed. */
  backward(batch: number, rate: number, step: number): () => void
  close(): Promise<void>
}

const BATCHES = 2
/** A step takes milliseconds. */
const STEP_MAX_MS = 600_000

/** Resolves when all threads wait for orders. */
export async function startShards(settings: ShardsSettings): Promise<Shards> {
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
  const orders: Orders = {
    words: new Int32Array(new SharedArrayBuffer(At.count * 4)),
    rate: new Float64Array(new SharedArrayBuffer(8)),
  }
  const workers = arrays.map((own, index) => {
    const setup: Setup = {
      memory,
      settings,
      columns,
      at: index * columns,
      arrays: own,
      sums,
      gradient,
      batches,
      orders,
    }
    return new Worker(new URL(import.meta.url), { workerData: setup })
  })
  // From here on this thread blocks while it waits, and would never hear that one failed to start.
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const order = (backward: boolean, batch: number, rate: number, step: number) => {
    const { words } = orders
    words[At.done] = 0
    words[At.backward] = backward ? 1 : 0
    words[At.batch] = batch
    words[At.rows] = batches[batch]!.rows
    words[At.step] = step
    orders.rate[0] = rate
    Atomics.add(words, At.order, 1)
    Atomics.notify(words, At.order)
  }
  return {
    batches,
    sums,
    gradient,
    tables: arrays.map(({ table }) => table),
    forward(batch) {
      order(false, batch, 0, 0)
      waitFor(orders, threads)
    },
    backward(batch, rate, step) {
      order(true, batch, rate, step)
      return () => waitFor(orders, threads)
    },
    close: () => Promise.all(workers.map((worker) => worker.terminate())).then(() => {}),
  }
}

/** Blocks this thread until all workers have followed the order; throws where one could not. */
function waitFor({ words }: Orders, threads: number): void {
  for (let done = Atomics.load(words, At.done); done < threads; done = Atomics.load(words, At.done))
    if (Atomics.wait(words, At.done, done, STEP_MAX_MS) === 'timed-out') throw new Error('the sparse half hangs')
  if (Atomics.load(words, At.failed) > 0) throw new Error('a thread of the sparse half failed')
}

/** Follows orders until the thread is terminated. */
function serve({
  memory,
  settings,
  columns,
  at,
  arrays,
  sums,
  gradient,
  batches,
  orders: { words, rate },
}: Setup): void {
  const own = shard(memory, arrays, columns, settings.adamw)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort!.postMessage('ready')
  for (let last = 0; ; last++) {
    // Woken is not ordered: the call that wakes may come after the order was seen, followed and waited for again.
    while (Atomics.load(words, At.order) === last) Atomics.wait(words, At.order, last)
    const batch = batches[words[At.batch]!]!
    batch.rows = words[At.rows]!
    try {
      if (words[At.backward] === 0) own.forward(batch, sums, settings.width, at)
      else own.backward(batch, gradient, settings.width, at, rate[0]!, words[At.step]!)
    } catch {
      Atomics.add(words, At.failed, 1)
    }
    Atomics.add(words, At.done, 1)
    Atomics.notify(words, At.done)
  }
}

if (!isMainThread && (workerData as Partial<Setup> | null)?.arrays !== undefined) serve(workerData as Setup)
