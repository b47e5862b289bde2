// The port of a store of answered texts that several processes share, found by the bands of their MinHash signatures.
// Like a cache it only ever makes things faster: it never throws, and anything wrong with it reads as nothing found.

export interface NearEntry {
  /** The same text has the same id. */
  readonly id: string
  readonly value: string
}

export interface NearAddition extends NearEntry {
  readonly bands: Uint32Array
  /** 1 to 9: what is held under the id stays where its rank is higher. */
  readonly rank: number
}

export interface NearStore {
  /** For each question, in order, the newest entries that share a band with it; every entry once. */
  find(questions: readonly Uint32Array[]): Promise<readonly (readonly NearEntry[])[]>
  /** Keeps the entries if it can; resolves in bounded time. */
  add(entries: readonly NearAddition[]): Promise<void>
  /** Whether some process lately said that the tier is off; undefined where the store does not answer. */
  isOff(): Promise<boolean | undefined>
  /** Tells the other processes; `off` is forgotten after an hour. Resolves in bounded time. */
  sayOff(isOff: boolean): Promise<void>
}
