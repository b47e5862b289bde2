// Exponential backoff with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

export interface Backoff {
  readonly backoff_ms: number
  readonly backoff_max_ms: number
}

/** Milliseconds to wait before the try after `failures` ≥ 1 failed ones. `random` in [0, 1). */
export function wait_ms({ backoff_ms, backoff_max_ms }: Backoff, failures: number, random: number): number {
  const ceiling = Math.min(backoff_max_ms, backoff_ms * 2 ** Math.min(failures - 1, 30))
  return random * ceiling
}
