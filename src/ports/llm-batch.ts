// The batch port: many requests handed to a provider at once, answered within a day for less money. What was handed in is
// found again by its name, so that a crash between handing in and writing that down is not paid for twice.
import type { Llm, LlmReply, LlmRequest } from './llm.ts'

export interface BatchRequest {
  /** Ours; 64 characters at most. Comes back with the answer. */
  readonly key: string
  readonly request: LlmRequest
}

export interface BatchStanding {
  /** The provider's. */
  readonly id: string
  /** `ended`: whatever was answered can be read, be it all or some; `failed`: nothing was asked, nothing is to be paid. */
  readonly phase: 'running' | 'ended' | 'failed'
  /** The provider's own word for it, from a closed list. */
  readonly status: string
  readonly total: number
  readonly done: number
}

export type BatchAnswer = { readonly key: string } & (
  | { readonly kind: 'reply'; readonly reply: LlmReply }
  /** The provider did not take this very request, or what it sent could not be read. */
  | { readonly kind: 'rejected' }
  /** Nobody answered; `why` is ours and safe to log. The same request will do later. */
  | { readonly kind: 'unanswered'; readonly why: string }
)

/** Each throws what Llm.complete throws. */
export interface LlmBatches {
  /** The same model, one request at a time. What it learns of the parameters that the model takes holds for batches too. */
  readonly llm: Llm
  /**
   * Hands the requests in under a name that `find` looks for. `begins` is waited for right before the batch is made: the
   * file that goes before it may have taken minutes.
   */
  create(
    name: string,
    requests: readonly BatchRequest[],
    begins: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<BatchStanding>
  /** The newest batch of that name that did not fail and is not among `known`. */
  find(name: string, known: ReadonlySet<string>, signal: AbortSignal): Promise<BatchStanding | undefined>
  look(id: string, signal: AbortSignal): Promise<BatchStanding>
  /** Of a batch that has ended. Answers to nothing that we asked are not among them. */
  read(id: string, signal: AbortSignal): Promise<readonly BatchAnswer[]>
}

export interface BatchPart {
  readonly name: string
  /** Keys of its requests. */
  readonly keys: readonly string[]
  /** When it was last about to be handed in: milliseconds since the epoch. */
  readonly begun_ms: number
  /** Undefined until the provider is known to have it. */
  readonly id?: string | undefined
  /** What became of it, once its answers are in the store of calls. */
  readonly end?: { readonly status: string; readonly answered: number; readonly unanswered: number } | undefined
}

export interface BatchStore {
  /** In the order in which they were begun. */
  parts(): readonly BatchPart[]
  /** Puts a part in its place, or behind the last one. Resolves once it would survive a crash. Throws SluiceError SL102. */
  put(at: number, part: BatchPart): Promise<void>
}
