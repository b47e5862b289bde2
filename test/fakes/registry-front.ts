// A front of the schema registry that counts requests and falls ill on command. Passes everything else on.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface RegistryFront {
  readonly url: string
  /** Method and path of every request. */
  readonly requests: string[]
  mode: 'ok' | 'hang' | '500'
  /** Answers to paths that are not passed on. */
  readonly own: Map<string, { readonly status: number; readonly body: unknown }>
  stop(): Promise<void>
}

export async function registryFront(registry: string): Promise<RegistryFront> {
  const requests: string[] = []
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/' } = request
    requests.push(`${method} ${url}`)
    if (front.mode === 'hang') return
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const type = 'application/vnd.schemaregistry.v1+json'
    const own = front.mode === '500' ? { status: 500, body: { error_code: 50001, message: 'ill' } } : front.own.get(url)
    if (own) {
      response.writeHead(own.status, { 'content-type': type }).end(JSON.stringify(own.body))
      return
    }
    const body = chunks.length > 0 ? Buffer.concat(chunks) : null
    const ask = () => fetch(`${registry}${url}`, { method, body, headers: { 'content-type': type } })
    const answer = await ask().catch(ask) // a kept connection may be closed just as it is used
    response.writeHead(answer.status, { 'content-type': type }).end(await answer.text())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const front: RegistryFront = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    mode: 'ok',
    own: new Map(),
    async stop() {
      server.close()
      server.closeAllConnections()
    },
  }
  return front
}
