// The LLM port: one chat completion with a JSON schema. Prompts, batching and checking are not its business.
import type { LlmUsage } from '../core/llm/usage.ts'
import type { Prompt } from '../core/prompt.ts'

/** The root of its schema is an object. */
export interface LlmRequest extends Prompt {
  /** Names the call to the provider, so that both can speak of the same one later. ASCII, 512 characters at most. */
  readonly id?: string
}

export interface LlmReply {
  /** The raw text: not trusted, not yet parsed. */
  readonly text: string
  readonly finish: 'stop' | 'length' | 'refusal'
  /** As the provider told it, made sane: whole numbers ≥ 0, cached ≤ input. */
  readonly usage: LlmUsage
}

export interface Llm {
  /** What is asked: the model's name, for digests, prices and records. */
  readonly model: string
  /**
   * Throws LlmUnavailable on 408/409/429/5xx, timeouts and resets; LlmRejected on 400/413/422 and on a reply that cannot
   * be read; SluiceError SL401 on 401/403/404, redirects and the like (wrong key, model or address).
   * The signal ends the call, which then rejects with the signal's reason.
   * No message of these holds a key, a prompt or the provider's words.
   */
  complete(request: LlmRequest, signal: AbortSignal): Promise<LlmReply>
}

/** Nobody answered, or was too busy to: the same request will do later. */
export class LlmUnavailable extends Error {
  override readonly name = 'LlmUnavailable'
  /** What the provider asked us to wait, if anything; already clamped to a sane range. */
  readonly retryAfter_ms: number | undefined
  /** Too many calls at once or in a minute (429): fewer at a time would do. */
  readonly busy: boolean
  /** The provider did nothing that costs money; false: nobody knows, as after a time-out. */
  readonly unbilled: boolean
  constructor(
    message: string,
    says: { readonly retryAfter_ms?: number | undefined; readonly busy?: boolean; readonly unbilled?: boolean } = {},
  ) {
    super(message)
    this.retryAfter_ms = says.retryAfter_ms
    this.busy = says.busy ?? false
    this.unbilled = says.unbilled ?? this.busy
  }
}

/** This very request was not taken, or its reply was unreadable: asking the same again is of little use. */
export class LlmRejected extends Error {
  override readonly name = 'LlmRejected'
  /** As with LlmUnavailable: true where the request was turned away, false where its reply was unreadable. */
  readonly unbilled: boolean
  constructor(message: string, { unbilled = false }: { readonly unbilled?: boolean } = {}) {
    super(message)
    this.unbilled = unbilled
  }
}
