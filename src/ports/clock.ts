// Time is passed in, so that tests can move it.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Monotonic milliseconds, with fractions. */
  elapsed(): number
  sleep(duration_ms: number, signal?: AbortSignal): Promise<void>
}
