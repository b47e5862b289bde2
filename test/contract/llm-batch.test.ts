// The Batch API adapter over a network that may send anything: files that are hostile, endless or not there.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { openAiBatches } from '../../src/adapters/openai/batches.ts'
import { LlmRejected, LlmUnavailable } from '../../src/ports/llm.ts'
import { promptFor, shopTask } from '../support/llm.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const KEY = 'sk-secret-of-ours'
const never = new AbortController().signal
const completion = (content: string) => ({
  choices: [{ message: { content }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 3 },
})
const row = (custom_id: unknown, status_code: unknown, body: unknown = completion('x')) =>
  JSON.stringify({ custom_id, response: { status_code, body }, error: null })

describe('the Batch API over a network', () => {
  let server: Server
  let url: string
  let handle: (what: string, request: IncomingMessage, response: ServerResponse) => void
  const seen: { what: string; headers: IncomingMessage['headers']; body: string }[] = []
  before(async () => {
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const what = `${request.method} ${request.url}`
      seen.push({ what, headers: request.headers, body: Buffer.concat(chunks).toString() })
      handle(what, request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  const open = (more: { readonly api_version?: string; readonly fileBytes_max?: number } = {}) =>
    openAiBatches({ base_url: url, api_key: KEY, model: 'm', timeout_ms: 5_000, file_timeout_ms: 5_000, ...more })
  const json = (response: ServerResponse, value: unknown, status = 200) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  /** A batch that has ended, with these files. */
  const ended = (files: Readonly<Record<string, string>>) => {
    handle = (what, _, response) => {
      const name = /files\/(\w+)\/content/.exec(what)?.[1]
      if (name !== undefined) response.writeHead(200).end(files[name])
      else json(response, { id: 'b', status: 'completed', output_file_id: 'out', error_file_id: files['err'] && 'err' })
    }
  }

  test('a file of answers is read line by line; what is no answer is left out, the first of two counts', async () => {
    const out = [
      row('a', 200),
      row('a', 200, completion('a second time')),
      'not JSON',
      '[]',
      'null',
      row(5, 200),
      row('b', 200, { choices: [] }),
      row('c', 400),
      row('d', 503),
      row('e', 'OK'),
      '{"custom_id":"__proto__","response":{"status_code":429}}',
    ]
    ended({ out: `${out.join('\n')}\n\n`, err: row('f', 413) })
    const answers = await open().read('b', never)
    assert.deepEqual(
      answers.map(({ key, kind }) => [key, kind]),
      [
        ['a', 'reply'],
        ['b', 'rejected'],
        ['c', 'rejected'],
        ['d', 'unanswered'],
        ['e', 'unanswered'],
        ['__proto__', 'unanswered'],
        ['f', 'rejected'],
      ],
    )
    const [first] = answers
    assert.ok(first?.kind === 'reply')
    assert.deepEqual(first.reply, {
      text: 'x',
      finish: 'stop',
      usage: { inputTokens: 7, cachedInputTokens: 0, outputTokens: 3 },
    })
  })

  test('a file without an end is not read on', async () => {
    const closed = Promise.withResolvers<void>()
    const sent = { chunks: 0 }
    handle = (what, _, response) => {
      if (!what.includes('content')) return void json(response, { id: 'b', status: 'completed', output_file_id: 'out' })
      response.writeHead(200).on('close', closed.resolve)
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1_048_576, 32))) sent.chunks++
        response.once('drain', more)
      }
      more()
    }
    await assert.rejects(open({ fileBytes_max: 2_000_000 }).read('b', never), LlmRejected)
    await closed.promise
    assert.ok(sent.chunks < 30, `${sent.chunks} MB were sent`)
  })

  test('a batch in a state that nobody knows is not guessed at', async () => {
    for (const batch of [
      { id: 'b', status: 'levitating' },
      { id: 'b', status: '__proto__' },
      { status: 'completed' },
      [],
      5,
    ]) {
      handle = (_, __, response) => json(response, batch)
      await assert.rejects(open().look('b', never), LlmRejected, JSON.stringify(batch))
    }
  })

  test('looking for a batch goes through the pages and ends, also where they never do', async () => {
    const batch = (id: string, name?: string, status = 'completed') => ({
      id,
      status,
      metadata: { sluice_batch: name },
    })
    const pageOf = (from: number) => Array.from({ length: 100 }, (_, at) => batch(`b${from + at}`))
    let pages = 0
    handle = (what, _, response) => {
      const from = Number(/after=b(\d+)/.exec(what)?.[1] ?? -1) + 1
      pages++
      const data =
        from < 200 ? pageOf(from) : [batch('old', 'mine', 'failed'), batch('known', 'mine'), batch('this', 'mine')]
      json(response, { object: 'list', data })
    }
    const found = await open().find('mine', new Set(['known']), never)
    assert.deepEqual([found?.id, pages], ['this', 3])
    // A server whose pages are shorter than was asked for.
    handle = (what, _, response) => {
      const isFirst = !what.includes('after=')
      json(response, { data: isFirst ? pageOf(0).slice(0, 20) : [batch('far', 'mine')], has_more: isFirst })
    }
    assert.equal((await open().find('mine', new Set(), never))?.id, 'far')
    // One that knows no pages: the first one comes again and again.
    pages = 0
    handle = (_, __, response) => {
      pages++
      json(response, { data: pageOf(0).slice(0, 20) })
    }
    assert.deepEqual([await open().find('mine', new Set(), never), pages], [undefined, 2])
    pages = 0
    handle = (what, _, response) => {
      pages++
      json(response, { object: 'list', data: pageOf(Number(/after=b(\d+)/.exec(what)?.[1] ?? 0) + 1) })
    }
    assert.equal(await open().find('mine', new Set(), never), undefined)
    assert.equal(pages, 50)
  })

  test('a batch is handed in as one file under its name; an Azure address gets its version and its own header', async () => {
    handle = (what, _, response) =>
      json(response, what.includes('files') ? { id: 'file-1' } : { id: 'b', status: 'validating' })
    const request = promptFor(shopTask(), ['Basmati rice'])
    seen.length = 0
    const made = await open({ api_version: '2024-10-21' }).create(
      'sluice-1',
      [{ key: 'k', request }],
      async () => void seen.push({ what: 'begins', headers: {}, body: '' }),
      never,
    )
    assert.deepEqual([made.id, made.phase], ['b', 'running'])
    const [file, begins, batch] = seen
    assert.equal(begins!.what, 'begins', 'once the file is there, before the batch is')
    assert.match(file!.what, /^POST \/v1\/files\?api-version=2024-10-21$/)
    const line = file!.body.split('\n').find((one) => one.startsWith('{'))!
    const { custom_id, method, url: to, body } = JSON.parse(line) as Record<string, unknown>
    assert.deepEqual(
      [custom_id, method, to, (body as { model: string }).model],
      ['k', 'POST', '/v1/chat/completions', 'm'],
    )
    assert.deepEqual([file!.headers['api-key'], file!.headers.authorization], [KEY, undefined])
    assert.deepEqual(JSON.parse(batch!.body), {
      input_file_id: 'file-1',
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata: { sluice_batch: 'sluice-1' },
    })
  })

  test('errors are those of any call, without a word of the provider', async () => {
    const says = (status: number) => {
      handle = (_, __, response) => json(response, { error: { message: `no ${KEY}` } }, status)
    }
    says(401)
    await assert.rejects(open().look('b', never), (error) => !(error as Error).message.includes('secret'))
    await assert.rejects(open().look('b', never), { code: 'SL401' })
    says(503)
    await assert.rejects(open().find('x', new Set(), never), LlmUnavailable)
    says(400)
    await assert.rejects(
      open().create('x', [], async () => {}, never),
      LlmRejected,
    )
  })
})
