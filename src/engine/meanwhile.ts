// A slow tier must not cost the partition: the group hears of us while we wait.
import type { Clock } from '../ports/clock.ts'

const EVERY_MS = 1_000

/**
 * The work's value; calls `progress` every second until it is there. What `progress` throws ends the waiting, and the work's
 * own end is then of no consequence (an inference is never aborted).
 */
export async function meanwhile<T>(work: Promise<T>, progress: () => Promise<void>, clock: Clock): Promise<T> {
  const over = new AbortController()
  const beats = async (): Promise<never> => {
    for (;;) {
      await clock.sleep(EVERY_MS, over.signal)
      await progress()
    }
  }
  try {
    return await Promise.race([work, beats()])
  } finally {
    over.abort()
  }
}
