// Several fits at once, a thread each: no fit waits for another, and none is faster on two threads than on one.
// Ends when all threads have ended; stops all of them where one fails. Decides nothing itself.
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../../core/error.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { FitInput, Fitted, Judged } from './fit.ts'
import type { FitMessage, FitThreadData } from './fit-thread.ts'

export interface FitsTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  /** So many threads at a time, the other fits wait; one a core unless said. */
  readonly atOnce?: number
  /** Called every few steps of fit `index`; `loss` is the mean of its running epoch so far. */
  readonly onStep: (index: number, step: number, loss: number) => void
  /** Called after each epoch of a fit; false stops all of them. */
  readonly onEpoch?: (index: number, epoch: number, loss: number, judged: Judged | undefined) => boolean
  /** Called when a fit has ended by itself, while others may still run. */
  readonly onEnd?: (index: number, fitted: Fitted) => void
}

/**
 * What the fits end with, in their order; nothing where `onEpoch` stopped them. Throws what a fit throws, the signal's
 * reason when aborted.
 */
export async function fits(inputs: readonly FitInput[], tools: FitsTools): Promise<Fitted[] | undefined> {
  tools.signal.throwIfAborted()
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const stopAll = () => void Atomics.store(stop, 0, 1)
  tools.signal.addEventListener('abort', stopAll)
  const results: (Fitted | undefined)[] = inputs.map(() => undefined)
  let next = 0
  const lane = async () => {
    while (next < inputs.length && Atomics.load(stop, 0) === 0) {
      const index = next++
      try {
        const fitted = await inThread({ input: inputs[index]!, runtime: tools.runtime.module, stop }, (message) => {
          if (message.kind === 'step') tools.onStep(index, message.step, message.loss)
          else if (tools.onEpoch?.(index, message.epoch, message.loss, message.judged) === false) stopAll()
        })
        results[index] = fitted
        if (fitted !== undefined) tools.onEnd?.(index, fitted)
      } catch (error) {
        stopAll()
        throw error
      }
    }
  }
  const atOnce = Math.min(tools.atOnce ?? navigator.hardwareConcurrency, inputs.length)
  const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane))
  tools.signal.removeEventListener('abort', stopAll)
  tools.signal.throwIfAborted()
  for (const one of lanes) if (one.status === 'rejected') throw one.reason
  return results.every((result) => result !== undefined) ? results : undefined
}

type Said = Extract<FitMessage, { readonly kind: 'step' | 'epoch' }>

/** Resolves or rejects when the thread has ended. */
function inThread(data: FitThreadData, onSaid: (message: Said) => void): Promise<Fitted | undefined> {
  const thread = new Worker(new URL('./fit-thread.ts', import.meta.url), { workerData: data })
  return new Promise((resolve, reject) => {
    let end: (() => void) | undefined
    thread.on('message', (message: FitMessage) => {
      if (message.kind === 'done') end = () => resolve(message.fitted)
      else if (message.kind === 'failed') end = () => reject(new SluiceError(message.code, message.message))
      else onSaid(message)
    })
    thread.on('error', (error) => (end = () => reject(error)))
    thread.on('exit', (code) => {
      end ??= () => reject(new Error(`a thread of the training ended with ${code}`))
      end()
    })
  })
}
