// A turn is one handling of one batch by one process. What a turn asks the LLM, other turns may wait for; who may wait for
// whom is decided here. Waiting only ever goes from a later turn to an earlier one, so nobody waits in a circle (D. J.
// Rosenkrantz, R. E. Stearns, P. M. Lewis, "System level concurrency control for distributed database systems", TODS 3(2),
// 1978; what they abort asks for itself here, which is always allowed).

const TIME_DIGITS = 9
const NAME = /^[0-9a-z]{9}-[0-9a-z]{1,32}$/

/** `now_ms`: since the epoch; a process whose clock is off asks more and waits less. `unique`: 1 to 32 of 0–9 and a–z. */
export function turnName(now_ms: number, unique: string): string {
  return `${Math.trunc(now_ms).toString(36).padStart(TIME_DIGITS, '0')}-${unique}`
}

/** False also for what is no turn's name: whatever else stands there is waited for by nobody. */
export function mayWaitFor(own: string, other: string): boolean {
  return NAME.test(other) && other < own
}
