// A tier answers items or passes. It never throws: a tier that fails passes for its items and emits an event.
import type { Answer, Ranked, Reply } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import type { LlmCallRecord } from '../core/llm/usage.ts'

export interface TierPort {
  /** One reply per item, in order. */
  answer(items: readonly Item[]): Promise<readonly Reply[]>
}

/** What the fallback topic holds of an item. */
export interface OpenItem {
  readonly item: Item
  readonly shortlist: readonly Ranked[]
}

/** What the LLM tier says of one item. */
export type LlmResult = { readonly item: Item; readonly record: LlmCallRecord } & (
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** `why` is in our words and safe to log. */
  | { readonly kind: 'review'; readonly shortlist: readonly Ranked[]; readonly why: string }
)
