// The cache port. A cache only ever makes things faster: it never throws, and anything wrong with it reads as a miss.

export interface CacheEntry {
  readonly key: string
  readonly value: string
}

export interface Cache {
  /** One per key, in order; undefined is a miss. */
  get(keys: readonly string[]): Promise<readonly (string | undefined)[]>
  set(entries: readonly CacheEntry[]): Promise<void>
  close(): Promise<void>
}
