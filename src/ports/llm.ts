// The LLM port: one chat completion with a JSON schema. Prompts, batching and checking are not its business.

export interface LlmRequest {
  readonly system: string
  readonly user: string
  /** JSON Schema of the answer; its root is an object. */
  readonly schema: { readonly name: string; readonly schema: Record<string, unknown> }
  readonly outputTokensMax: number
}

export interface LlmUsage {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly outputTokens: number
}

export interface LlmReply {
  /** The raw text: not trusted, not yet parsed. */
  readonly text: string
  readonly finish: 'stop' | 'length' | 'refusal'
  readonly model: string
  readonly usage: LlmUsage
}

export interface Llm {
  /** What is asked: the model's name, for digests and labels. */
  readonly model: string
  /**
   * Throws LlmUnavailable on 408/409/429/5xx, timeouts and resets; SluiceError SL401 on 401/403/404 (wrong key or model).
   * The signal ends the call.
   */
  complete(request: LlmRequest, signal: AbortSignal): Promise<LlmReply>
}

export class LlmUnavailable extends Error {
  override readonly name = 'LlmUnavailable'
  /** What the provider asked us to wait, if anything; already clamped to a sane range. */
  readonly retryAfter_ms: number | undefined
  constructor(message: string, retryAfter_ms?: number, options?: ErrorOptions) {
    super(message, options)
    this.retryAfter_ms = retryAfter_ms
  }
}
