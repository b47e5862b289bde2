// The LLM port on the openai package: any OpenAI-compatible endpoint by its base URL. One try a call: retrying is the tier's.
// Must never put the key, the prompt or the provider's words into an error: each says only who answered what.
import { APIConnectionError, APIError } from 'openai'
import { openClient } from './client.ts'
import { retryAfter_ms, TooLarge } from './transport.ts'
import { SluiceError } from '../../core/error.ts'
import { LlmRejected, LlmUnavailable } from '../../ports/llm.ts'
import type { ClientOptions } from './client.ts'
import type { LlmUsage } from '../../core/llm/usage.ts'
import type { Llm, LlmReply, LlmRequest } from '../../ports/llm.ts'

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

/** Throws SluiceError SL101 for an address that is none or is forbidden. */
export function openAiLlm(options: OpenAiOptions): Llm {
  const { model, timeout_ms, retry_after_max_ms = 60_000 } = options
  const { client, host } = openClient(options, options.replyBytes_max ?? 2 * 1_048_576)
  /** Parameters that this model turned down: reasoning models take no temperature, older servers have other names. */
  const unsupported = new Set<string>(options.output_tokens_key === 'max_tokens' ? ['max_completion_tokens'] : [])

  async function send(request: LlmRequest, signal: AbortSignal): Promise<unknown> {
    try {
      return await client.chat.completions.create(body(options, request, unsupported), { signal })
    } catch (error) {
      const name = error instanceof APIError && error.status === 400 ? error.param : undefined
      if (typeof name !== 'string' || !OPTIONAL.includes(name) || unsupported.has(name)) throw error
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

function body({ model, temperature = 0 }: OpenAiOptions, request: LlmRequest, without: ReadonlySet<string>) {
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

const BUSY = new Set([408, 409, 425, 429])
const REQUEST_FAULT = new Set([400, 413, 422])

/** `cause` is left out on purpose: the package's errors quote the provider, and providers quote keys. */
function translate(error: unknown, host: string, retry_after_max_ms: number): Error {
  if (error instanceof LlmRejected || error instanceof LlmUnavailable) return error
  if (error instanceof APIConnectionError) {
    if (rootOf(error) instanceof TooLarge) return new LlmRejected(`${host} sent a reply that is too large`)
    return new LlmUnavailable(`${host} cannot be reached (${codeOf(error)})`)
  }
  if (error instanceof APIError && error.status !== undefined) {
    const said = `${host} answered ${error.status}`
    if (error.status >= 500 || BUSY.has(error.status))
      return new LlmUnavailable(said, {
        retryAfter_ms: retryAfterOf(error, retry_after_max_ms),
        busy: error.status === 429,
      })
    if (REQUEST_FAULT.has(error.status)) return new LlmRejected(said)
    return new SluiceError('SL401', error.status < 400 ? `${said}: redirects are not followed` : said)
  }
  // What is left comes from reading a 2xx reply: not JSON, or not text at all.
  return new LlmRejected(`${host} sent a reply that cannot be read`)
}

/** `retry-after-ms` is OpenAI's and Azure's own, finer than whole seconds. */
function retryAfterOf(error: APIError, max_ms: number): number | undefined {
  const header = (name: string) => (error.headers as Headers | undefined)?.get(name) ?? null
  const fine = header('retry-after-ms')
  const finer = fine === null ? undefined : retryAfter_ms(`${Number(fine) / 1_000}`, Date.now(), max_ms)
  return finer ?? retryAfter_ms(header('retry-after'), Date.now(), max_ms)
}

function rootOf(error: Error): unknown {
  let root: unknown = error
  for (let depth = 0; depth < 5 && root instanceof Error && root.cause !== undefined; depth++) root = root.cause
  return root
}

/** A code like ECONNREFUSED; only codes of that form, since messages may quote anything. */
function codeOf(error: Error): string {
  const code = (rootOf(error) as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(code) ? code : 'connection failed'
}

type Unknown = { readonly [key: string]: unknown } | undefined

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Unknown)?.[name]
    : undefined
}

function readReply(reply: unknown, host: string): LlmReply {
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
