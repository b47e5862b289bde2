// A fetch that cannot be led astray: it follows no redirect and reads no more of a reply than it was told to.
// Must never hold more of a body in memory than the bound and one chunk.

/** The reply was longer than the bound. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/** The whole reply is read before it resolves, so that the caller's signal and deadline cover the body too. */
export function boundedFetch(bytes_max: number): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, { ...init, redirect: 'manual' })
    const body = await readBounded(response, bytes_max)
    const headers = new Headers(response.headers)
    headers.delete('content-encoding')
    headers.delete('content-length')
    const bodiless = response.status < 200 || response.status === 204 || response.status === 304
    return new Response(bodiless ? null : body, { status: Math.max(200, response.status), headers })
  }
}

async function readBounded(response: Response, bytes_max: number): Promise<Buffer> {
  if (Number(response.headers.get('content-length')) > bytes_max) {
    await response.body?.cancel()
    throw new TooLarge()
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop cancels the body, which closes the connection.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > bytes_max) throw new TooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Milliseconds from a Retry-After header (RFC 9110 10.2.3: whole seconds or an HTTP date), clamped to 0–`max_ms`.
 * Undefined where it says nothing that can be understood.
 */
export function retryAfter_ms(header: string | null, now_ms: number, max_ms: number): number | undefined {
  const text = header?.trim() ?? ''
  if (text === '' || text.length > 64) return undefined
  const wait = /^[+-]?\d+(\.\d+)?(e\d+)?$/i.test(text) ? Number(text) * 1_000 : Date.parse(text) - now_ms
  return Number.isNaN(wait) ? undefined : Math.min(max_ms, Math.max(0, wait))
}
