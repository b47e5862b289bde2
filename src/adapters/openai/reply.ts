// Reads a chat completion that came from outside: the text as it stands, why it ended, the usage made sane.
// Must never trust the type of anything in it.
import { LlmRejected, LlmUnavailable } from '../../ports/llm.ts'
import type { LlmUsage } from '../../core/llm/usage.ts'
import type { LlmReply } from '../../ports/llm.ts'

type Unknown = { readonly [key: string]: unknown } | undefined

/** A property of something that may be anything. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Unknown)?.[name]
    : undefined
}

/** Throws LlmRejected where it is no chat completion, LlmUnavailable where it is not even JSON. */
export function readReply(reply: unknown, host: string): LlmReply {
  // Not the API at all, but something in front of it: a proxy's page of apology.
  if (typeof reply === 'string') throw new LlmUnavailable(`${host} sent something that is not JSON`)
  const choices = field(reply, 'choices')
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
  const message = field(choice, 'message')
  const content = field(message, 'content')
  const refusal = field(message, 'refusal')
  const finish = field(choice, 'finish_reason')
  const usage = readUsage(field(reply, 'usage'))
  const refused = finish === 'content_filter' || (typeof refusal === 'string' && refusal !== '')
  if (refused) return { text: '', finish: 'refusal', usage }
  if (finish === 'length') return { text: '', finish: 'length', usage }
  if (typeof content !== 'string') throw new LlmRejected(`${host} sent a reply without content`)
  return { text: content, finish: 'stop', usage }
}

function readUsage(usage: unknown): LlmUsage {
  const inputTokens = whole(field(usage, 'prompt_tokens'))
  const cached = whole(field(field(usage, 'prompt_tokens_details'), 'cached_tokens'))
  return {
    inputTokens,
    cachedInputTokens: Math.min(inputTokens, cached),
    outputTokens: whole(field(usage, 'completion_tokens')),
  }
}

const TOKENS_MAX = 10_000_000

function whole(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(TOKENS_MAX, Math.floor(value)) : 0
}
