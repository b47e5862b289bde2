// What the openai package throws, in our words. Must never put the key, the prompt or the provider's words into an error:
// each says only who answered what.
import { APIConnectionError, APIError } from 'openai'
import { retryAfter_ms, TooLarge } from './transport.ts'
import { SluiceError } from '../../core/error.ts'
import { LlmRejected, LlmUnavailable } from '../../ports/llm.ts'

const BUSY = new Set([408, 409, 425, 429])
const REQUEST_FAULT = new Set<unknown>([400, 413, 422])

/** The status speaks of this very request, not of the provider. */
export const isRequestFault = (status: unknown): boolean => REQUEST_FAULT.has(status)
/** Said by something in front of the provider that got no answer from it (520, 524: Cloudflare): it may have made one, for money. */
const MAYBE_SERVED = new Set([408, 502, 504, 520, 524])
/** There was no connection that a request could have gone over. */
const NEVER_ARRIVED = new Set(
  'ECONNREFUSED ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH UND_ERR_CONNECT_TIMEOUT'.split(' '),
)

/** `cause` is left out on purpose: the package's errors quote the provider, and providers quote keys. */
export function translate(error: unknown, host: string, retry_after_max_ms: number): Error {
  if (error instanceof LlmRejected || error instanceof LlmUnavailable) return error
  if (error instanceof APIConnectionError) {
    if (rootOf(error) instanceof TooLarge) return new LlmRejected(`${host} sent a reply that is too large`)
    const code = codeOf(error)
    return new LlmUnavailable(`${host} cannot be reached (${code})`, { unbilled: NEVER_ARRIVED.has(code) })
  }
  if (error instanceof APIError && error.status !== undefined) {
    const said = `${host} answered ${error.status}`
    if (error.status >= 500 || BUSY.has(error.status))
      return new LlmUnavailable(said, {
        retryAfter_ms: retryAfterOf(error, retry_after_max_ms),
        busy: error.status === 429,
        unbilled: !MAYBE_SERVED.has(error.status),
      })
    if (REQUEST_FAULT.has(error.status)) return new LlmRejected(said, { unbilled: true })
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
