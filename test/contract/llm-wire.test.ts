// What goes over the wire to servers that want it otherwise than OpenAI, and how long they may make us wait.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import { openAiLlm } from '../../src/adapters/openai/llm.ts'
import { promptFor, shopTask } from '../support/llm.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

const KEY = 'sk-secret-of-ours'
const never = new AbortController().signal
const request = promptFor(shopTask(), ['Basmati rice 5 kg'])

describe('what goes over the wire', () => {
  test('a bound on the reply goes under the name that the server knows', async () => {
    const bodies: Record<string, unknown>[] = []
    const plain = await server(async (incoming, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>)
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] }))
    })
    const options = { base_url: plain.url, api_key: '', model: 'm', timeout_ms: 5_000 }
    await openAiLlm(options).complete(request, never)
    await openAiLlm({ ...options, output_tokens_key: 'max_tokens' }).complete(request, never)
    await plain.stop()
    assert.deepEqual(
      bodies.map((body) => [body['max_completion_tokens'], body['max_tokens']]),
      [
        [1_000, undefined],
        [undefined, 1_000],
      ],
    )
  })

  test('calls that are under way together when the model first turns a parameter down are all asked without it', async () => {
    const held: (() => void)[] = []
    const picky = await server(async (incoming, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const isTurnedDown = 'temperature' in (JSON.parse(Buffer.concat(chunks).toString()) as object)
      const refusal = { error: { message: 'no temperature here', param: 'temperature' } }
      const reply = { choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] }
      const answer = () =>
        response
          .writeHead(isTurnedDown ? 400 : 200, { 'content-type': 'application/json' })
          .end(JSON.stringify(isTurnedDown ? refusal : reply))
      if (!isTurnedDown) return void answer()
      held.push(answer)
      if (held.length === 3) for (const letGo of held) letGo()
    })
    const llm = openAiLlm({ base_url: picky.url, api_key: '', model: 'm', timeout_ms: 20_000 })
    const replies = await Promise.allSettled(Array.from({ length: 3 }, () => llm.complete(request, never)))
    await picky.stop()
    assert.deepEqual(
      replies.map((it) => (it.status === 'fulfilled' ? it.value.text : String(it.reason))),
      ['x', 'x', 'x'],
    )
  })

  test('an Azure address by deployment gets its version in the query and the key in a header of its own', async () => {
    const seen: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
    const azure = await server(({ url, headers }, response) => {
      seen.push({ url, headers })
      response.writeHead(401).end()
    })
    const base_url = `${azure.url.replace(/v1$/, '')}openai/deployments/mine`
    const options = { base_url, api_key: KEY, model: 'm', timeout_ms: 5_000, api_version: '2024-10-21' }
    await assert.rejects(openAiLlm(options).complete(request, never), { code: 'SL401' })
    await azure.stop()
    assert.equal(seen[0]?.url, '/openai/deployments/mine/chat/completions?api-version=2024-10-21')
    assert.deepEqual([seen[0]?.headers['api-key'], seen[0]?.headers.authorization], [KEY, undefined])
  })

  test('a pause in milliseconds is finer than one in seconds; both are held to the bound of the provider', async () => {
    for (const [headers, wait] of [
      [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250],
      [{ 'retry-after-ms': 'soon', 'retry-after': '2' }, 2_000],
      [{ 'retry-after-ms': '999999' }, 5_000],
      [{ 'retry-after': '3600' }, 5_000],
    ] as const) {
      const busy = await server((_, response) => response.writeHead(429, headers).end())
      const options = { base_url: busy.url, api_key: '', model: 'm', timeout_ms: 5_000, retry_after_max_ms: 5_000 }
      await assert.rejects(openAiLlm(options).complete(request, never), { retryAfter_ms: wait, busy: true })
      await busy.stop()
    }
  })
})

async function server(handle: Parameters<typeof createServer>[1]) {
  const http = createServer(handle)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const stop = () =>
    new Promise<void>((resolve) => {
      http.close(() => resolve())
      http.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`, stop }
}
