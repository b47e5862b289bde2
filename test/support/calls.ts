// A record of the ledger, as a call that was reserved begins.
import type { CallRecord } from '../../src/core/llm/ledger.ts'

export function callRecord(change: Partial<CallRecord> = {}): CallRecord {
  return {
    id: 'a',
    task: 'shop',
    state: 'reserved',
    at_ms: 5,
    purse: 'shared',
    provider: 'p',
    model: 'm',
    price: '',
    inputTokens: 900,
    cachedInputTokens: 0,
    outputTokens: 100,
    costUsd: 0.5,
    asked: 4,
    aloneUsd: 0,
    items: [],
    ...change,
  }
}
