// Long waits that the group hears of: progress is called beside the work, and whichever fails first ends the other.
import type { Clock } from '../ports/clock.ts'

/** The caller's signal ended the work before all items had their answer. */
export class LlmStopped extends Error {
  override readonly name = 'LlmStopped'
}

export interface Pulse {
  readonly clock: Clock
  readonly every_ms: number
  readonly progress: () => Promise<void>
  readonly signal: AbortSignal
}

/** Ends everything that shares the signal; the first error given is the one that the caller sees. */
export type Fail = (error: unknown) => void

/** Runs the work and calls `progress` beside it; whichever fails first ends the other. */
export async function whilePulsing<T>(pulse: Pulse, work: (signal: AbortSignal, fail: Fail) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const signal = AbortSignal.any([pulse.signal, stop.signal])
  let failure: { readonly error: unknown } | undefined
  const fail: Fail = (error) => {
    if (signal.aborted) return
    failure = { error }
    stop.abort(error)
  }
  const beat = async () => {
    while (!signal.aborted) {
      await pulse.clock.sleep(pulse.every_ms, signal).catch(() => {})
      if (!signal.aborted) await pulse.progress()
    }
  }
  const beating = beat().catch(fail)
  try {
    return await work(signal, fail)
  } catch (error) {
    if (failure) throw failure.error
    if (pulse.signal.aborted) throw new LlmStopped('asked to stop while items waited for the LLM', { cause: error })
    throw error
  } finally {
    stop.abort()
    await beating
  }
}
