// A clock that jumps: when everything that can run has run, time moves to the next sleeper. Minutes pass in microseconds,
// and in the same order every time.
import type { Clock } from '../../src/ports/clock.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export function fakeClock(start_ms = 1_800_000_000_000): Clock {
  const sleepers = new Set<Sleeper>()
  let passed_ms = 0
  let running = false

  async function run(): Promise<void> {
    if (running) return
    running = true
    while (sleepers.size > 0) {
      // Two turns of the event loop: what was woken last has then run as far as it can without time passing.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
      const next = [...sleepers].reduce<Sleeper | undefined>(
        (a, b) => (a === undefined || b.at < a.at ? b : a),
        undefined,
      )
      if (next === undefined) break
      sleepers.delete(next)
      passed_ms = Math.max(passed_ms, next.at)
      next.wake()
    }
    running = false
  }

  return {
    now: () => start_ms + passed_ms,
    elapsed: () => passed_ms,
    sleep: (duration_ms, signal) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        const sleeper = {
          at: passed_ms + Math.max(0, duration_ms),
          wake: () => {
            signal?.removeEventListener('abort', leave)
            resolve()
          },
        }
        if (signal?.aborted) return leave()
        signal?.addEventListener('abort', leave, { once: true })
        sleepers.add(sleeper)
        void run()
      }),
  }
}
