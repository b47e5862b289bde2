// Each item ends as exactly one outcome per stage: classify gives result, fallback or dead-letter;
// the fallback role gives result, review or dead-letter for what was sent to it.
import type { Answer, Ranked } from './answer.ts'
import type { GateMiss } from './gate.ts'
import type { Item, Source } from './item.ts'

/** Closed list: why a record or item cannot be classified. Each has a row in docs/errors.md. */
export const REASONS = {
  tombstone: 'the record has no value',
  'too-large': 'the value is longer than limits.record_bytes_max',
  'wire-format': 'the value is not in Confluent wire format (magic byte and schema id)',
  'unknown-schema': 'the registry does not know the schema id, or its schema cannot be read here',
  'bad-value': 'the value does not decode with its schema',
  'no-items': 'the record holds no item',
  'too-many-items': 'the record holds more items than limits.items_per_record_max',
  'missing-field': 'a field that the task needs is missing or is not text',
  'long-entity': 'what the task calls the item is longer than 1,000 characters',
  'empty-text': 'nothing is left of the text after normalising',
  'bad-item': 'the fallback record does not hold an item of a known task',
} as const

export type Reason = keyof typeof REASONS

export type Outcome =
  | {
      readonly kind: 'result'
      readonly item: Item
      readonly answer: Answer
      /** Digest of the answer that this one replaces. */
      readonly supersedes?: string
    }
  | {
      readonly kind: 'fallback'
      readonly item: Item
      readonly shortlist: readonly Ranked[]
      readonly why: GateMiss
      /** What is best so far, though not sure; absent where nobody answered. */
      readonly best?: Answer
    }
  | { readonly kind: 'review'; readonly item: Item; readonly shortlist: readonly Ranked[]; readonly why: string }
  | DeadLetter

export interface DeadLetter {
  readonly kind: 'dead-letter'
  readonly task: string
  readonly source: Source
  /** Position of the item in its record; 0 where the whole record is refused. */
  readonly index: number
  readonly reason: Reason
  /** Says where and what, never the text itself. */
  readonly detail: string
}
