// How often similar texts give a wrong answer: a fixed share of hits goes on to the next tiers, and what those say is
// compared. The tier is off while the false-hit rate is above its limit beyond doubt; then every hit goes on.
// Pure but for what an audit holds, which is bounded.
import { hash32 } from '../random.ts'
import { wilson } from '../statistics.ts'
import type { Interval } from '../statistics.ts'

/** Hits that were audited and those of them that were wrong; old ones count less and less. */
export interface Audited {
  readonly hits: number
  readonly wrong: number
}

export const NONE_AUDITED: Audited = { hits: 0, wrong: 0 }

const SEED = 77
/** Audited hits that count. */
const REMEMBERED = 2_000
/** Fewer switch nothing: of a single hit that is wrong the interval begins at .2. */
const PROOF_MIN = 10
/** Hits passed on whose answers are awaited; the oldest is given up. */
const AWAITED_MAX = 20_000

/** The same texts are audited in every process and at every reading, so that both roles agree. `share` in [0, 1]. */
export function isAudited(textHash: string, share: number): boolean {
  return hash32(textHash, SEED) < share * 2 ** 32
}

/** With `memory` hits remembered: each new one takes away 1/memory of the weight of those before. */
export function observed({ hits, wrong }: Audited, isWrong: boolean, memory: number): Audited {
  const keep = 1 - 1 / memory
  return { hits: hits * keep + 1, wrong: wrong * keep + (isWrong ? 1 : 0) }
}

export type State = 'on' | 'off'

export interface FalseHits extends Interval {
  readonly rate: number
}

/** False-hit rate with its 95 % interval (Wilson). */
export function falseHits({ hits, wrong }: Audited): FalseHits {
  return { rate: hits === 0 ? 0 : wrong / hits, ...wilson(wrong, hits) }
}

/** Goes off where the whole interval is above the limit, and on again where its rate is no longer above it. */
export function isOff(audited: Audited, limit: number, wasOff: boolean): boolean {
  const { rate, low } = falseHits(audited)
  if (!isProof(audited)) return wasOff
  return wasOff ? rate > limit : low > limit
}

/** Rounded: each hit takes a little from those before. */
function isProof({ hits }: Audited): boolean {
  return Math.round(hits) >= PROOF_MIN
}

export interface Audit<T> {
  /** True where a hit on this text would not be answered. */
  passesOn(textHash: string): boolean
  /**
   * What happens with a hit on this text, that would be answered `given`; where it goes on, `heard` is awaited. Where
   * nothing would be heard (`isHeard` false), it is not audited.
   */
  next(textHash: string, given: T, isHeard?: boolean): 'answered' | 'audited' | 'off'
  /** What the next tiers said of a text. Undefined where no hit on it was passed on. */
  heard(textHash: string, isSame: (given: T) => boolean): Heard | undefined
  /** What another process has found. Counts while this one has heard too little itself; true where it switched it. */
  told(isOff: boolean): boolean
}

export interface Heard extends FalseHits {
  readonly isWrong: boolean
  /** What the tier is now, and whether this was what switched it. */
  readonly state: State
  readonly isNew: boolean
}

/** `share` of hits audited while on; `limit`: the false-hit rate above which the tier goes off. */
export function createAudit<T>(share: number, limit: number): Audit<T> {
  const awaited = new Map<string, T>()
  let audited = NONE_AUDITED
  let off = false

  const passesOn = (textHash: string) => off || isAudited(textHash, share)

  return {
    passesOn,
    next(textHash, given, isHeard = true) {
      if (!isHeard) return off ? 'off' : 'answered'
      if (!passesOn(textHash)) return 'answered'
      awaited.set(textHash, given)
      if (awaited.size > AWAITED_MAX) awaited.delete(awaited.keys().next().value!)
      return off ? 'off' : 'audited'
    },
    heard(textHash, isSame) {
      const given = awaited.get(textHash)
      if (given === undefined) return undefined
      awaited.delete(textHash)
      const isWrong = !isSame(given)
      audited = observed(audited, isWrong, REMEMBERED)
      const was = off
      off = isOff(audited, limit, was)
      return { isWrong, state: off ? 'off' : 'on', isNew: off !== was, ...falseHits(audited) }
    },
    told(isOff) {
      if (isProof(audited) || isOff === off) return false
      off = isOff
      return true
    },
  }
}
