// A thread of its own for one fit: does it, tells its progress and its end to the thread that started it.
// Never terminated from outside while a graph runs (kafka-node-notes): it is told to stop and ends by itself.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { SluiceError } from '../../core/error.ts'
import { fit } from './fit.ts'
import type { ErrorCode } from '../../core/error.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { FitInput, Fitted, Judged } from './fit.ts'

export interface FitThreadData {
  readonly input: FitInput
  /** Module whose export `runtime` runs the graphs. */
  readonly runtime: string
  /** Not nothing: stop. */
  readonly stop: Int32Array<SharedArrayBuffer>
}

export type FitMessage =
  | { readonly kind: 'step'; readonly step: number; readonly loss: number }
  | {
      readonly kind: 'epoch'
      readonly epoch: number
      readonly loss: number
      readonly judged: Judged | undefined
    }
  | { readonly kind: 'done'; readonly fitted: Fitted | undefined }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

async function run({ input, runtime, stop }: FitThreadData): Promise<void> {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  const say = (message: FitMessage, moved: ArrayBuffer[] = []) => parentPort!.postMessage(message, moved)
  try {
    const loaded = (await import(runtime)) as { readonly runtime: GraphRuntime }
    const fitted = await fit(input, {
      runtime: loaded.runtime,
      stopped: () => Atomics.load(stop, 0) !== 0,
      onStep: (step, loss) => say({ kind: 'step', step, loss }),
      onEpoch: (epoch, loss, judged) => say({ kind: 'epoch', epoch, loss, judged }),
    })
    say({ kind: 'done', fitted }, fitted && [fitted.weights.table.buffer])
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    say({ kind: 'failed', code: error.code, message: error.message })
  }
}

if (!isMainThread && (workerData as Partial<FitThreadData> | null)?.stop !== undefined)
  await run(workerData as FitThreadData)
