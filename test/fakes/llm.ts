// The LLM port in memory: answers through a function, and fails on command like the stand-in server does.
import { SluiceError } from '../../src/core/error.ts'
import { NO_USAGE } from '../../src/core/llm/usage.ts'
import { LlmRejected, LlmUnavailable } from '../../src/ports/llm.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Llm, LlmReply, LlmRequest } from '../../src/ports/llm.ts'

export type FakeMode = 'ok' | '500' | '429' | '401' | '400' | 'hang' | 'length' | 'refusal'

/** What a request says, read back from its text as a model would. */
export interface ReadRequest {
  readonly items: readonly { readonly id: string; readonly text: string }[]
  readonly labels: readonly string[]
}

export interface FakeLlm extends Llm {
  readonly requests: LlmRequest[]
  /** What becomes of the calls, or of the call of this number (from 1). */
  mode: FakeMode | ((call: number) => FakeMode)
  retryAfter_ms: number | undefined
}

export function fakeLlm(
  answer: (asked: ReadRequest, request: LlmRequest) => string | Promise<string>,
  options: { readonly clock?: Clock; readonly latency_ms?: number } = {},
): FakeLlm {
  const fake: FakeLlm = {
    model: 'fake-model',
    requests: [],
    mode: 'ok',
    retryAfter_ms: undefined,
    async complete(request, signal): Promise<LlmReply> {
      signal.throwIfAborted()
      const call = fake.requests.push(request)
      await options.clock?.sleep(options.latency_ms ?? 100, signal)
      const mode = typeof fake.mode === 'function' ? fake.mode(call) : fake.mode
      if (mode === 'hang') return ended(signal)
      if (mode === '401') throw new SluiceError('SL401', 'fake answered 401')
      if (mode === '400') throw new LlmRejected('fake answered 400')
      if (mode === '500' || mode === '429')
        throw new LlmUnavailable(`fake answered ${mode}`, { retryAfter_ms: fake.retryAfter_ms, busy: mode === '429' })
      if (mode !== 'ok') return { text: '', finish: mode, usage: NO_USAGE }
      const text = await answer(readRequest(request), request)
      const usage = { inputTokens: request.user.length, cachedInputTokens: 7, outputTokens: text.length }
      return { text, finish: 'stop', usage }
    },
  }
  return fake
}

export function readRequest(request: LlmRequest): ReadRequest {
  const items = request.user.split('\n').flatMap((line) => {
    if (!line.startsWith('{"id":')) return []
    const { id, ...segments } = JSON.parse(line) as Record<string, string>
    return [{ id: id!, text: Object.values(segments).join(' | ') }]
  })
  return { items, labels: enumsOf(request).label }
}

/** The two enums of the answer's schema. */
export function enumsOf(request: LlmRequest): { readonly id: string[]; readonly label: string[] } {
  const schema = request.schema.schema as {
    properties: { answers: { items: { properties: Record<'id' | 'label', { enum: string[] }> } } }
  }
  const { id, label } = schema.properties.answers.items.properties
  return { id: id.enum, label: label.enum }
}

export function replyText(answers: readonly { readonly id: string; readonly label: string }[]): string {
  return JSON.stringify({ answers })
}

function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
