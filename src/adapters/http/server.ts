// The operating pages of a process: is it alive, is it ready, how is it doing. For probes and Prometheus, on node:http.
// Must never answer with anything of the items, and never let a slow or silent client hold a connection for long.
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SluiceError } from '../../core/error.ts'

/** `detail` is a word or a line for people; degraded (Redis or LLM down) is still ok. */
export interface Health {
  readonly ok: boolean
  readonly detail: string
}

export interface HttpOptions {
  readonly host: string
  /** 0: any free port; the answer's `url` says which. */
  readonly port: number
  /** Is the process worth keeping? Not ok means: restart it. */
  readonly live: () => Health
  /** Does it do its work now? */
  readonly ready: () => Health
  /** Is the start over? Liveness is not asked before. */
  readonly started: () => Health
  readonly metrics: { readonly contentType: string; render(): Promise<string> }
}

export interface HttpServer {
  /** http://host:port, without a slash at the end. */
  readonly url: string
  close(): Promise<void>
}

interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
}

const TEXT = 'text/plain; charset=utf-8'
const REQUEST_TIMEOUT_MS = 5_000
const CONNECTIONS_MAX = 100

/** Rejects with SL105 where the address cannot be had. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const pages = pagesOf(options)
  const server = createServer(
    {
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      // Bodies are of no interest: what arrives is thrown away.
      request.resume()
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return send(response, { status: 405, type: TEXT, body: 'GET or HEAD only\n' })
      const path = (request.url ?? '/').split('?', 1)[0]!
      const page = pages.get(path)
      if (page === undefined) return send(response, { status: 404, type: TEXT, body: 'no such page\n' })
      page().then(
        (answer) => send(response, answer),
        () => send(response, { status: 500, type: TEXT, body: 'the page failed\n' }),
      )
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  await listen(server, options.host, options.port)
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function pagesOf({ live, ready, started, metrics }: HttpOptions): ReadonlyMap<string, () => Promise<Page>> {
  const health = (check: () => Health) => async (): Promise<Page> => {
    const { ok, detail } = check()
    return { status: ok ? 200 : 503, type: TEXT, body: `${ok ? 'ok' : 'not ok'}: ${detail}\n` }
  }
  const pages = new Map<string, () => Promise<Page>>([
    ['/livez', health(live)],
    ['/readyz', health(ready)],
    ['/startupz', health(started)],
    ['/metrics', async () => ({ status: 200, type: metrics.contentType, body: await metrics.render() })],
  ])
  const index = [...pages.keys()].join('\n')
  pages.set('/', async () => ({ status: 200, type: TEXT, body: `${index}\n` }))
  return pages
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new SluiceError('SL105', `${host}:${port} (${cause.code ?? cause.message})`, { cause }))
    })
    server.listen(port, host, resolve)
  })
}

function send(response: ServerResponse, { status, type, body }: Page): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
