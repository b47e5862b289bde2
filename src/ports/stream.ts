// The stream port: batches come in per partition, records go out in the same transaction as the input offset.
// How ownership is fenced and a broken transaction is repeated is the adapter's business; a handler only decides.

export type Headers = Readonly<Record<string, Buffer | string>>

export interface InputRecord {
  /** Decimal, 64-bit. */
  readonly offset: string
  readonly timestamp_ms: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Headers
}

export interface Batch {
  readonly topic: string
  readonly partition: number
  /** In offset order, at least one. */
  readonly records: readonly InputRecord[]
}

export interface OutputRecord {
  readonly topic: string
  readonly key: Buffer | string | null
  readonly value: Buffer | null
  readonly headers: Headers
}

/**
 * Turns a batch into everything that is to be written because of it. The records and the offset after the batch become
 * visible together or not at all. May be called again for the same records after a crash or a rebalance.
 * Call `progress` at least every few seconds while working: it keeps the partition, and throws when the partition is
 * lost or the stream drains; let that throw pass. Any other throw is fatal: nothing is committed and `run` rejects.
 */
export type Handler = (
  batch: Batch,
  progress: () => Promise<void>,
  /**
   * Runs the work once the batch is committed, and `otherwise` once it is known that this handling of it never will be.
   * Exactly one of the two, once. Neither may throw.
   */
  afterCommit: (work: () => Promise<void>, otherwise?: () => void) => void,
) => Promise<readonly OutputRecord[]>

/** Thrown by a handler that leaves its batch to whoever reads it next: nothing is committed, and nothing has failed. */
export class BatchLeft extends Error {
  override readonly name = 'BatchLeft'
}

export interface Stream {
  /** Resolves after `drain`; rejects with a SluiceError (SL2xx) when the stream cannot go on. */
  run(handler: Handler): Promise<void>
  /** Stops fetching, finishes and commits what is being handled, leaves the group. */
  drain(): Promise<void>
}
