// The breaker on opossum. opossum counts and times; this file only adds what it lacks: waiting until a call is admitted,
// a signal per call (it has one per breaker, nodeshift/opossum#780), and errors that are neither success nor failure.
// Its own `timeout` stays off: it would free the slot and leave the call running.
import CircuitBreaker from 'opossum'
import { BreakerOpen } from '../../ports/breaker.ts'
import type { Breaker, BreakerState } from '../../ports/breaker.ts'
import type { Emit } from '../../ports/events.ts'

export interface BreakerOptions {
  /** Milliseconds from opening to the next probe. */
  readonly reset_ms: number
  /** Calls within the window below which it never opens; as many failures in a row open it whatever the share. */
  readonly volume_min: number
  /** Share of failures in the window above which it opens, in (0, 1). */
  readonly failures_share_max: number
  /** Length of the window, milliseconds: several times the longest call, or slow failures are never enough of them. */
  readonly window_ms: number
  readonly isFailure: (error: unknown) => boolean
  /** Whose calls these are: stands in its events. */
  readonly provider: string
  readonly emit: Emit
}

export const BREAKER_DEFAULTS = { reset_ms: 10_000, volume_min: 5, failures_share_max: 0.5, window_ms: 120_000 }

type Action = (signal: AbortSignal) => Promise<unknown>

export function createBreaker(options: BreakerOptions): Breaker {
  const { isFailure, emit } = options
  const shutdown = new AbortController()
  const waiting = new Set<() => void>()

  // An error that opossum filters counts as a success and would close it: an aborted probe must not.
  const isNoFailure = (error: unknown, _action: Action, own: AbortSignal) =>
    own.aborted ? !circuit.halfOpen : !isFailure(error)
  // `async`: what the action throws before its first await is a rejection too.
  const circuit = new CircuitBreaker(async (action: Action, own: AbortSignal) => action(own), {
    timeout: false,
    resetTimeout: options.reset_ms,
    volumeThreshold: options.volume_min,
    errorThresholdPercentage: options.failures_share_max * 100,
    rollingCountTimeout: options.window_ms,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    // opossum passes the call's arguments after the error; its types do not say so.
    errorFilter: isNoFailure as (error: unknown) => boolean,
    name: options.provider,
  })

  const changed = (state: BreakerState) => {
    emit('breaker.changed', { provider: options.provider, state })
    if (state !== 'open') for (const wake of waiting) wake()
  }
  // A provider that dies after an hour of good answers must not take another hour's share of failures to notice.
  let failuresInRow = 0
  circuit.on('success', () => (failuresInRow = 0))
  circuit.on('failure', () => {
    failuresInRow++
    if (failuresInRow >= options.volume_min && circuit.closed) circuit.open()
  })
  circuit.on('open', () => changed('open'))
  circuit.on('halfOpen', () => changed('half-open'))
  circuit.on('close', () => changed('closed'))

  const admitting = () => circuit.closed || circuit.pendingClose

  return {
    get state() {
      return circuit.closed ? 'closed' : circuit.opened ? 'open' : 'half-open'
    },
    get admitting() {
      return admitting()
    },

    async fire<T>(action: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
      const own = AbortSignal.any([signal, shutdown.signal])
      own.throwIfAborted()
      if (!admitting()) throw new BreakerOpen('the breaker is open')
      try {
        return (await circuit.fire(action, own)) as T
      } catch (error) {
        if (CircuitBreaker.isOurError(error as Error)) throw new BreakerOpen('the breaker is open', { cause: error })
        throw error
      }
    },

    admits(signal) {
      return new Promise((resolve, reject) => {
        const own = AbortSignal.any([signal, shutdown.signal])
        const settle = (done: () => void) => {
          waiting.delete(look)
          own.removeEventListener('abort', leave)
          done()
        }
        const leave = () => settle(() => reject(own.reason))
        const look = () => {
          if (admitting()) settle(resolve)
        }
        waiting.add(look)
        own.addEventListener('abort', leave)
        if (own.aborted) leave()
        else look()
      })
    },

    close() {
      shutdown.abort()
      circuit.shutdown()
    },
  }
}
