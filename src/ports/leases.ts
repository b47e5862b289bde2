// The port of leases on texts that are being asked about, seen by every process. Like a cache it only ever saves work: it
// never throws, resolves in bounded time, and where it knows nothing nobody waits.

export interface Leases {
  /** A lease that is not renewed is gone after this: its holder may have died. */
  readonly lease_ms: number
  /** Takes what nobody has, for `owner`. Whose each key is now, in order; undefined where that is not known. */
  take(keys: readonly string[], owner: string): Promise<readonly (string | undefined)[]>
  /** Whose each key is, in order; undefined: nobody's, or not known. */
  look(keys: readonly string[]): Promise<readonly (string | undefined)[]>
  /** Begins the time anew of those that are `owner`'s. */
  renew(keys: readonly string[], owner: string): Promise<void>
  /** Gives back those that are `owner`'s, and no others. */
  free(keys: readonly string[], owner: string): Promise<void>
}
