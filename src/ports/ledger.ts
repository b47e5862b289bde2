// The ledger port: what every call to an LLM was allowed to cost, and what it cost. The last record of a call (its id) counts.
import type { CallRecord } from '../core/llm/ledger.ts'

export interface Ledger {
  /** Resolves once the record would survive the end of this process and of the broker's leader. Throws where it would not. */
  write(call: CallRecord): Promise<void>
}
