// The memory of a benchmark: what each LLM call brought, kept for good. What is in it is never asked again.
import type { Heard } from '../core/llm/asking.ts'
import type { LlmUsage } from '../core/llm/usage.ts'

export interface StoredCall {
  readonly heard: Heard
  /** As the provider reported it; where it did not, the most that it can have been. */
  readonly usage: LlmUsage
  readonly reported: boolean
  /** From sending to the whole reply, milliseconds. */
  readonly elapsed_ms: number
}

export interface CallStore {
  get(key: string): StoredCall | undefined
  /** Resolves once the call would survive the end of the process. Throws SluiceError SL102 where it cannot be kept. */
  put(key: string, call: StoredCall): Promise<void>
  /** Resolves once all that was put would survive the end of the machine. Throws SL102 as `put` does. */
  flush(): Promise<void>
  /** The usage of every call in it, those of earlier runs and of other samples included. */
  total(): LlmUsage
  close(): Promise<void>
}
