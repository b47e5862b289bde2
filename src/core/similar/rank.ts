// Whose word counts, of the answers to one text: a person's over the LLM's, the LLM's over a local model's.
import type { Answer } from '../answer.ts'
import type { Tier } from '../item.ts'

const RANKS: Readonly<Record<Tier, number>> = { similar: 0, exact: 0, local: 1, llm: 2, human: 3 }

/**
 * 0 where the answer may not be learned from: it is second-hand, or a local one below `local_min` on some level. Without
 * `local_min` no local one is learned from.
 */
export function rankOf({ tier, probabilities }: Answer, local_min: number | undefined): number {
  const isSure = local_min !== undefined && probabilities.every((probability) => probability >= local_min)
  return tier === 'local' && !isSure ? 0 : RANKS[tier]
}

/** Among equals the later answer counts. */
export function supersedes(later: Answer, earlier: Answer): boolean {
  return RANKS[later.tier] >= RANKS[earlier.tier]
}
