// The LLM port on the openai package: any OpenAI-compatible endpoint by its base URL. One try a call: retrying is the tier's.
// Must never put the key, the prompt or the provider's words into an error: each says only who answered what.
import { APIError } from 'openai'
import { openClient } from './client.ts'
import { translate } from './errors.ts'
import { readReply } from './reply.ts'
import { LlmUnavailable } from '../../ports/llm.ts'
import type { ClientOptions } from './client.ts'
import type { Llm, LlmRequest } from '../../ports/llm.ts'

export interface OpenAiOptions extends ClientOptions {
  readonly model: string
  /** From sending to the last byte of the reply. */
  readonly timeout_ms: number
  /** Default 0; a model that takes none is asked without. */
  readonly temperature?: number
  /** How the bound on a reply is called; default `max_completion_tokens`, or the other where that one is turned down. */
  readonly output_tokens_key?: 'max_completion_tokens' | 'max_tokens'
  /** A longer Retry-After is taken for this; default 60 s. */
  readonly retry_after_max_ms?: number
  /** Default 2 MiB. */
  readonly replyBytes_max?: number
}

/** Throws SluiceError SL101 for an address that is none or is forbidden. `unsupported` grows as the model turns down more. */
export function openAiLlm(options: OpenAiOptions, unsupported = parametersWithout(options)): Llm {
  const { model, timeout_ms, retry_after_max_ms = 60_000 } = options
  const { client, host } = openClient(options, options.replyBytes_max ?? 2 * 1_048_576)

  async function send(request: LlmRequest, signal: AbortSignal): Promise<unknown> {
    // As it is now: another call may learn of a parameter while this one is on its way.
    const without = new Set(unsupported)
    try {
      const headers = request.id === undefined ? {} : { 'X-Client-Request-Id': request.id }
      return await client.chat.completions.create(chatBody(options, request, without), { signal, headers })
    } catch (error) {
      const name = error instanceof APIError && error.status === 400 ? error.param : undefined
      if (typeof name !== 'string' || !OPTIONAL.includes(name) || without.has(name)) throw error
      unsupported.add(name)
      return send(request, signal)
    }
  }

  return {
    model,
    async complete(request, signal) {
      signal.throwIfAborted()
      const deadline = AbortSignal.timeout(timeout_ms)
      try {
        return readReply(await send(request, AbortSignal.any([signal, deadline])), host)
      } catch (error) {
        signal.throwIfAborted()
        if (deadline.aborted) throw new LlmUnavailable(`${host} did not answer within ${timeout_ms} ms`)
        throw translate(error, host, retry_after_max_ms)
      }
    },
  }
}

const OPTIONAL: readonly string[] = ['temperature', 'max_completion_tokens']

/** Parameters that a model turns down: reasoning models take no temperature, older servers have other names. */
export function parametersWithout({ output_tokens_key }: OpenAiOptions): Set<string> {
  return new Set(output_tokens_key === 'max_tokens' ? ['max_completion_tokens'] : [])
}

/** The body of one chat completion; `without`: parameters that the model does not take. */
export function chatBody({ model, temperature = 0 }: OpenAiOptions, request: LlmRequest, without: ReadonlySet<string>) {
  return {
    model,
    messages: [
      { role: 'system' as const, content: request.system },
      { role: 'user' as const, content: request.user },
    ],
    ...(without.has('temperature') ? {} : { temperature }),
    ...(without.has('max_completion_tokens')
      ? { max_tokens: request.outputTokensMax }
      : { max_completion_tokens: request.outputTokensMax }),
    response_format: { type: 'json_schema' as const, json_schema: { ...request.schema, strict: true } },
  }
}
