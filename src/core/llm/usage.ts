// What the LLM's answers cost: tokens of a call shared out over its items, and money by a price table.
// Shares of a call always add up to the call: nothing is lost to rounding, nothing is counted twice.

export interface LlmUsage {
  readonly inputTokens: number
  /** The part of `inputTokens` that the provider read from its prompt cache. */
  readonly cachedInputTokens: number
  readonly outputTokens: number
}

/** US dollars per million tokens; keys as in the configuration. */
export interface Price {
  readonly input: number
  readonly cached_input: number
  readonly output: number
}

/** By model name. */
export type PriceTable = Readonly<Record<string, Price>>

/** What one item cost; stands in its label record. */
export interface LlmCallRecord {
  /** The model as it was asked for. */
  readonly model: string
  /** Calls the item was part of; 0 where an equal text of the batch was asked in its place. */
  readonly calls: number
  /** Whole tokens: the item's share of its calls. */
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
  /** US dollars; 0 where the price table does not name the model. */
  readonly costUsd: number
}

export const NO_USAGE: LlmUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }

export function addUsage(a: LlmUsage, b: LlmUsage): LlmUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
  }
}

/** `parts` ≥ 1 usages of whole tokens that add up to `usage`; the first ones carry the remainder. */
export function shareUsage(usage: LlmUsage, parts: number): LlmUsage[] {
  const share = (total: number, index: number) => Math.floor(total / parts) + (index < total % parts ? 1 : 0)
  return Array.from({ length: parts }, (_, index) => ({
    inputTokens: share(usage.inputTokens, index),
    cachedInputTokens: share(usage.cachedInputTokens, index),
    outputTokens: share(usage.outputTokens, index),
  }))
}

/** US dollars; 0 without a price. */
export function costUsd(usage: LlmUsage, price: Price | undefined): number {
  if (price === undefined) return 0
  const fresh = usage.inputTokens - usage.cachedInputTokens
  return (fresh * price.input + usage.cachedInputTokens * price.cached_input + usage.outputTokens * price.output) / 1e6
}
