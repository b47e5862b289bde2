// How many calls at once a provider is asked: additive increase, multiplicative decrease (D.-M. Chiu, R. Jain, "Analysis of
// the increase and decrease algorithms for congestion avoidance", Computer Networks and ISDN Systems 17, 1989).
// Pure; times are passed in. Must never go below one call, nor above what the configuration allows.

export interface Concurrency {
  /** As many calls may be in flight as its whole part says; at least 1. */
  readonly limit: number
  /** When it was last lowered, monotonic milliseconds: what was sent before then is no news of how it does now. */
  readonly lowered_ms: number
}

export function fullConcurrency(calls_max: number): Concurrency {
  return { limit: Math.max(1, calls_max), lowered_ms: -Infinity }
}

/**
 * A call went well. One more at a time after about as many as the limit, and only where the limit was what held calls
 * back: one that is never reached says nothing of how many would do (RFC 7661). `inFlight` counts this call too.
 */
export function raised(now: Concurrency, inFlight: number, calls_max: number): Concurrency {
  if (inFlight < Math.floor(now.limit)) return now
  return { ...now, limit: Math.min(Math.max(1, calls_max), now.limit + 1 / now.limit) }
}

/** A call that began at `began_ms` was turned away (429). Half as many, once for all calls of one burst (RFC 6582). */
export function lowered(now: Concurrency, began_ms: number, now_ms: number): Concurrency {
  if (began_ms < now.lowered_ms) return now
  return { limit: Math.max(1, now.limit / 2), lowered_ms: now_ms }
}
