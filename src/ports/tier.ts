// A tier answers items or passes. It never throws: a tier that fails passes for its items and emits an event.
import type { Answer, Ranked, Reply } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import type { CallRecord } from '../core/llm/ledger.ts'
import type { LlmCallRecord } from '../core/llm/usage.ts'

export interface TierPort {
  /** One reply per item, in order. */
  answer(items: readonly Item[]): Promise<readonly Reply[]>
}

/** What the fallback topic holds of an item. */
export interface OpenItem {
  readonly item: Item
  readonly shortlist: readonly Ranked[]
  /** Digest of the provisional answer that stands in the results meanwhile. */
  readonly provisional?: string
}

/** What the LLM tier says of one item. */
export type LlmResult = {
  readonly item: Item
  readonly record: LlmCallRecord
  /** The calls that asked about the item's text: those that the ledger books with its outcome. */
  readonly settled?: readonly CallRecord[]
} & (
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** `why` is in our words and safe to log. */
  | { readonly kind: 'review'; readonly shortlist: readonly Ranked[]; readonly why: string }
)

/** One handling of one batch. */
export interface Turn {
  /** See core/llm/turn.ts. */
  readonly name: string
  /** Resolves once its batch is committed and remembered, or is known never to be committed. */
  readonly over: Promise<void>
  /** The LLM was asked for this batch, by whichever task of it: it is finished then, not left to others who would pay again. */
  asked: boolean
}
