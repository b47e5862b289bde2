// The breaker port in memory, on any clock: opens after so many failures in a row, one probe after the reset interval.
import { BreakerOpen } from '../../src/ports/breaker.ts'
import type { Breaker, BreakerState } from '../../src/ports/breaker.ts'
import type { Clock } from '../../src/ports/clock.ts'

export interface FakeBreaker extends Breaker {
  /** Every state it went through, the first one included. */
  readonly states: readonly BreakerState[]
}

export function fakeBreaker(options: {
  readonly clock: Clock
  readonly reset_ms: number
  readonly failures_max: number
  readonly isFailure: (error: unknown) => boolean
}): FakeBreaker {
  const { clock, reset_ms, failures_max, isFailure } = options
  const states: BreakerState[] = ['closed']
  const waiting = new Set<() => void>()
  const shutdown = new AbortController()
  let failures = 0
  let probing = false
  const state = () => states.at(-1)!
  const admitted = () => state() === 'closed' || (state() === 'half-open' && !probing)

  function go(to: BreakerState): void {
    if (to === state()) return
    states.push(to)
    probing = false
    failures = 0
    if (to === 'open')
      void clock.sleep(reset_ms, shutdown.signal).then(
        () => go('half-open'),
        () => {},
      )
    else for (const wake of waiting) wake()
  }

  return {
    states,
    get state() {
      return state()
    },
    get admitting() {
      return admitted()
    },
    async fire(action, signal) {
      const own = AbortSignal.any([signal, shutdown.signal])
      own.throwIfAborted()
      if (!admitted()) throw new BreakerOpen('open')
      const probe = state() === 'half-open'
      if (probe) probing = true
      try {
        const value = await action(own)
        failures = 0
        if (probe) go('closed')
        return value
      } catch (error) {
        if (own.aborted) {
          if (probe) go('open')
        } else if (!isFailure(error)) {
          if (probe) go('closed')
        } else if (probe || ++failures >= failures_max) go('open')
        throw error
      }
    },
    admits: (signal) =>
      new Promise((resolve, reject) => {
        const own = AbortSignal.any([signal, shutdown.signal])
        const leave = () => {
          waiting.delete(look)
          reject(own.reason)
        }
        const look = () => {
          if (!admitted()) return
          waiting.delete(look)
          own.removeEventListener('abort', leave)
          resolve()
        }
        if (own.aborted) return leave()
        own.addEventListener('abort', leave, { once: true })
        waiting.add(look)
        look()
      }),
    close: () => shutdown.abort(),
  }
}
