// The breaker port: stops calling what does not answer, and lets one call through from time to time to see if it does.
//
//   closed ──too many failures──► open ──after the reset interval──► half-open ──probe succeeds──► closed
//                                  ▲──────────────probe fails─────────────┘
//
// What counts as a failure is decided where the breaker is made; other errors pass through and count for nothing.

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface Breaker {
  readonly state: BreakerState
  /** A call would be let through now: closed, or half-open with the probe still to be sent. */
  readonly admitting: boolean
  /**
   * Runs the action, or rejects with BreakerOpen at once without running it: when open, or half-open with the probe out.
   * Rejects with the action's own error otherwise. Each call has a signal of its own: it follows the caller's, and ends
   * when the breaker is closed down. A probe that the caller ended says nothing: the breaker opens again.
   */
  fire<T>(action: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
  /** Resolves when a call may be tried: at once when closed. Rejects with the signal's reason. Never spins. */
  admits(signal: AbortSignal): Promise<void>
  /** Ends its timers and the calls in flight. */
  close(): void
}

export class BreakerOpen extends Error {
  override readonly name = 'BreakerOpen'
}
