// An item is one thing to classify: a product, or one (query, product) pair.
// This file holds the words every other file uses; it computes nothing but the item id.

/** Where an input record stood. `offset` is a decimal string: Kafka offsets are 64-bit. */
export interface Source {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  /** Record timestamp, milliseconds since the epoch. */
  readonly timestamp_ms: number
}

/** `topic/partition/offset/index`; unique within a task, stable over every replay. */
export type ItemId = string

export interface Item {
  readonly id: ItemId
  readonly task: string
  /** Key of the results record: what the shop calls this product or pair. */
  readonly entity: string
  /** One text per segment of the task, in the task's order; already capped in length, not normalised. */
  readonly segments: readonly string[]
  /** Hash of the normalised segments (see tiers/exact.ts): equal texts share it. */
  readonly textHash: string
  readonly source: Source
  /** Whose it is; absent where the task did not say how to tell. See core/local-only.ts. */
  readonly tenant?: string
}

export type Tier = 'exact' | 'similar' | 'local' | 'llm' | 'human'

export function itemId(source: Source, index: number): ItemId {
  return `${source.topic}/${source.partition}/${source.offset}/${index}`
}
