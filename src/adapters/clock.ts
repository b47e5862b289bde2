// The real clock. Everything that waits or measures takes a Clock, so that tests can move time.
// Must never keep the process alive after a sleep was aborted.
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../ports/clock.ts'

/** `sleep` rejects with an AbortError when its signal is aborted. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (duration_ms, signal) => delay(duration_ms, undefined, signal ? { signal } : {}),
}
