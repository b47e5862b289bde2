// The cache port. A cache only ever makes things faster: it never throws, and anything wrong with it reads as a miss.

export interface CacheEntry {
  readonly key: string
  readonly value: string
}

export interface Cache {
  /** What this process knows without waiting; undefined: not known here, `get` may know more. */
  peek(key: string): string | undefined
  /** One per key, in order; undefined is a miss. */
  get(keys: readonly string[]): Promise<readonly (string | undefined)[]>
  /** Keeps the entries if it can; resolves in bounded time, whether they were kept or not. */
  set(entries: readonly CacheEntry[]): Promise<void>
  close(): Promise<void>
}
