// Sluice's own schema registry for development and tests, where no other can be had: a subset of Confluent's REST
// API on 127.0.0.1. It is not Confluent's, has no access control, and must never serve anything but a laptop or CI.
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { RegistryError, registryRoutes } from './registry-api.ts'
import type { Route } from './registry-api.ts'
import { openLog } from './registry-log.ts'
import { applyRecord, emptyState } from './registry-state.ts'

export const REGISTRY_NOTE =
  "Sluice's own schema registry: a stand-in for development that speaks part of Confluent's REST API; it is not Confluent's"

export type Registry = { readonly address: string; close(): Promise<void> }

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
const BODY_BYTES_MAX = 1024 * 1024
const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 256

/** Reads what the broker at `kafka` remembers and serves it on `port` (0: any free one). */
export async function startRegistry(kafka: string, port: number): Promise<Registry> {
  const state = emptyState()
  const log = await openLog(kafka, (record) => applyRecord(state, record))
  const routes = registryRoutes(state, log)
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS })
  server.maxConnections = CONNECTIONS_MAX
  server.on('request', (request, response) => void respond(routes, request, response))
  await listen(server, port)
  return {
    address: `http://127.0.0.1:${portOf(server)}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await log.close()
    },
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function respond(routes: readonly Route[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, await answer(routes, request))
  } catch (error) {
    const known =
      error instanceof RegistryError
        ? error
        : new RegistryError(500, 50001, `Error in the backend data store: ${String(error)}`)
    if (known.status === 413) response.setHeader('connection', 'close')
    send(response, known.status, { error_code: known.code, message: known.message })
  }
}

async function answer(routes: readonly Route[], request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : '/'
  if (path === '/') return { name: 'sluice-registry', note: REGISTRY_NOTE }
  const onPath = routes.filter((route) => route.path.test(path))
  const route = onPath.find(({ method }) => method === request.method)
  if (!route) {
    throw onPath.length > 0
      ? new RegistryError(405, 405, 'HTTP 405 Method Not Allowed')
      : new RegistryError(404, 404, 'HTTP 404 Not Found')
  }
  const params = (route.path.exec(path) ?? [])
    .slice(1)
    .filter((part) => part !== undefined)
    .map(decode)
  const body = request.method === 'GET' || request.method === 'DELETE' ? {} : await readBody(request)
  return route.answer({ params, query: url.searchParams, body })
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new RegistryError(400, 400, 'Malformed percent-encoding in the path')
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  // the answer still has to go out when a body is refused half-way, so leaving the loop must not end the request
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new RegistryError(413, 413, `Body of more than ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof body === 'object' && body !== null) return body as Record<string, unknown>
  } catch {
    // told below
  }
  throw new RegistryError(422, 422, 'The body is not a JSON object')
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': CONTENT_TYPE })
  response.end(JSON.stringify(body))
}
