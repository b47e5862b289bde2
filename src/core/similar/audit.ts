// How often similar texts give a wrong answer: a fixed share of hits goes on to the next tiers, and what those say is
// compared. The tier is off while the false-hit rate is above its limit beyond doubt.
import { hash32 } from '../random.ts'
import { wilson } from '../statistics.ts'
import type { Interval } from '../statistics.ts'

/** Hits that were audited and those of them that were wrong; old ones count less and less. */
export interface Audits {
  readonly hits: number
  readonly wrong: number
}

export const NO_AUDITS: Audits = { hits: 0, wrong: 0 }

const SEED = 77

/** The same texts are audited in every process and at every reading, so that both roles agree. `share` in [0, 1]. */
export function isAudited(textHash: string, share: number): boolean {
  return hash32(textHash, SEED) < share * 2 ** 32
}

/** With `memory` hits remembered: each new one takes away 1/memory of the weight of those before. */
export function observed({ hits, wrong }: Audits, isWrong: boolean, memory: number): Audits {
  const keep = 1 - 1 / memory
  return { hits: hits * keep + 1, wrong: wrong * keep + (isWrong ? 1 : 0) }
}

export interface FalseHits extends Interval {
  readonly rate: number
}

/** False-hit rate with its 95 % interval (Wilson). */
export function falseHits({ hits, wrong }: Audits): FalseHits {
  return { rate: hits === 0 ? 0 : wrong / hits, ...wilson(wrong, hits) }
}

/** Goes off where the whole interval is above the limit, and on again where its rate is below it. */
export function isOff(audits: Audits, limit: number, wasOff: boolean): boolean {
  const { rate, low } = falseHits(audits)
  return wasOff ? rate > limit : low > limit
}
