// Repeatable randomness: the same seed gives the same numbers on every machine. Not for secrets.

/** Uniform numbers in [0, 1), 32 bits each. Mulberry32 (Tommy Ettinger, public domain). */
export type Random = () => number

export function random(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b_79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A standard normal number (Box–Muller). */
export function normal(next: Random): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

/** Fisher–Yates, in place. */
export function shuffle(values: Int32Array, next: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    const kept = values[i]!
    values[i] = values[j]!
    values[j] = kept
  }
}
