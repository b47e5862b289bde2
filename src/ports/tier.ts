// A tier answers items or passes. It never throws: a tier that fails passes for its items and emits an event.
import type { Reply } from '../core/answer.ts'
import type { Item } from '../core/item.ts'

export interface TierPort {
  /** One reply per item, in order. */
  answer(items: readonly Item[]): Promise<readonly Reply[]>
}
