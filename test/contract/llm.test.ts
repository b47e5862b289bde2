// What every LLM promises, said once and run on the fake and on the openai package against the stand-in server;
// then what only a network can do: redirects, endless bodies, hostile headers, addresses one must not call.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { AddressInfo } from 'node:net'
import { startStandIn } from '../../scripts/llm-stand-in.ts'
import { llmAddress } from '../../src/adapters/openai/address.ts'
import { openAiLlm } from '../../src/adapters/openai/llm.ts'
import { retryAfter_ms } from '../../src/adapters/openai/transport.ts'
import { SluiceError } from '../../src/core/error.ts'
import { LlmRejected, LlmUnavailable } from '../../src/ports/llm.ts'
import { fakeLlm, replyText } from '../fakes/llm.ts'
import { shopTask, promptFor } from '../support/llm.ts'
import type { StandIn } from '../../scripts/llm-stand-in.ts'
import type { Llm } from '../../src/ports/llm.ts'
import type { FakeMode } from '../fakes/llm.ts'

const KEY = 'sk-secret-of-ours'
const never = new AbortController().signal
const request = promptFor(shopTask(), ['Basmati rice 5 kg', 'Nachos with cheese'])

interface Subject {
  readonly llm: Llm
  /** `retryAfter` in seconds. */
  set(mode: FakeMode, retryAfter?: number): void
  stop(): Promise<void>
}

llmContract('the fake', async () => {
  const llm = fakeLlm(({ items, labels }) => replyText(items.map(({ id }) => ({ id, label: labels[0]! }))))
  return {
    llm,
    set: (mode, retryAfter) => Object.assign(llm, { mode, retryAfter_ms: retryAfter && retryAfter * 1_000 }),
    stop: async () => {},
  }
})
llmContract('openai, with the stand-in server', async () => {
  const standIn = await standInServer()
  return {
    llm: overHttp(standIn.url),
    set: (mode, retryAfter) => standIn.control({ mode, ...(retryAfter === undefined ? {} : { retryAfter }) }),
    stop: standIn.stop,
  }
})

function llmContract(name: string, open: () => Promise<Subject>): void {
  describe(`the LLM contract, kept by ${name}`, () => {
    let subject: Subject
    before(async () => (subject = await open()))
    after(() => subject.stop())
    const complete = (mode: FakeMode, retryAfter?: number, signal = never) => {
      subject.set(mode, retryAfter)
      return subject.llm.complete(request, signal)
    }

    test('a request brings the raw text, why it ended, and what it used', async () => {
      const reply = await complete('ok')
      const { answers } = JSON.parse(reply.text) as { answers: { id: string }[] }
      assert.deepEqual(
        answers.map(({ id }) => id),
        ['1', '2'],
      )
      assert.equal(reply.finish, 'stop')
      assert.ok(reply.usage.inputTokens > 0 && reply.usage.outputTokens > 0)
      assert.ok(reply.usage.cachedInputTokens <= reply.usage.inputTokens)
    })

    test('a reply that was cut short, or refused, says so', async () => {
      assert.equal((await complete('length')).finish, 'length')
      assert.equal((await complete('refusal')).finish, 'refusal')
    })

    for (const mode of ['500', '429'] as const)
      test(`${mode} is LlmUnavailable, with the pause that was asked for`, async () => {
        await assert.rejects(complete(mode, 7), { name: 'LlmUnavailable', retryAfter_ms: 7_000 })
        await assert.rejects(complete(mode), { name: 'LlmUnavailable', retryAfter_ms: undefined })
      })

    test('401 is SluiceError SL401, 400 is LlmRejected', async () => {
      await assert.rejects(complete('401'), (error) => error instanceof SluiceError && error.code === 'SL401')
      await assert.rejects(complete('400'), LlmRejected)
    })

    test('the signal ends a call that hangs, with its reason', async () => {
      const caller = new AbortController()
      const call = complete('hang', undefined, caller.signal)
      setTimeout(() => caller.abort(new RangeError('enough')), 20)
      await assert.rejects(call, RangeError)
    })

    test('a signal that was aborted before starts nothing', async () => {
      await assert.rejects(complete('ok', undefined, AbortSignal.abort(new RangeError('late'))), RangeError)
    })
  })
}

describe('openai over a network', () => {
  let standIn: StandIn
  before(async () => (standIn = await standInServer()))
  after(() => standIn.stop())

  const attempt = (mode: Parameters<StandIn['control']>[0]['mode'], timeout_ms?: number) => {
    standIn.control({ mode })
    return overHttp(standIn.url, timeout_ms).complete(request, never)
  }

  test('a call that hangs is LlmUnavailable after the whole deadline, headers and body together', async () => {
    await assert.rejects(attempt('hang', 80), LlmUnavailable)
    const dripping = await server((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const timer = setInterval(() => response.write(' '), 10)
      response.on('close', () => clearInterval(timer))
    })
    await assert.rejects(overHttp(dripping.url, 120).complete(request, never), LlmUnavailable)
    await dripping.stop()
  })

  test('a reset connection and a closed port are LlmUnavailable', async () => {
    await assert.rejects(attempt('reset'), LlmUnavailable)
    await assert.rejects(overHttp('http://127.0.0.1:9/v1').complete(request, never), LlmUnavailable)
  })

  test('a page of a proxy is LlmUnavailable; JSON that is none is LlmRejected', async () => {
    await assert.rejects(attempt('not-json'), LlmUnavailable)
    for (const body of ['{"choices":', 'null', '[]', '{}', '{"choices":[{"message":{"content":5}}]}']) {
      const odd = await server((_, response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(body),
      )
      await assert.rejects(overHttp(odd.url).complete(request, never), LlmRejected, body)
      await odd.stop()
    }
  })

  test('redirects are refused', async () => {
    await assert.rejects(attempt('redirect'), (error) => error instanceof SluiceError && error.code === 'SL401')
  })

  test('a reply without an end is not read on: LlmRejected, and the connection is closed', async () => {
    const closed = Promise.withResolvers<void>()
    const sent = { chunks: 0 }
    const endless = await server((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).on('close', closed.resolve)
      const more = () => {
        if (response.destroyed) return
        sent.chunks++
        response.write(Buffer.alloc(1_048_576, 32))
        response.once('drain', more)
      }
      more()
    })
    await assert.rejects(overHttp(endless.url).complete(request, never), LlmRejected)
    await closed.promise
    assert.ok(sent.chunks > 1 && sent.chunks < 30, `${sent.chunks} MB were sent`)
    await endless.stop()
    await assert.rejects(attempt('huge'), LlmRejected)
  })

  test('no error holds the key, the prompt, or a word of the provider', async () => {
    const echo = await server((_, response) =>
      response
        .writeHead(401, { 'content-type': 'application/json', 'www-authenticate': KEY })
        .end(JSON.stringify({ error: { message: `Incorrect API key: ${KEY}; you sent Basmati` } })),
    )
    const error = await overHttp(echo.url)
      .complete(request, never)
      .catch((error: unknown) => error)
    await echo.stop()
    assert.ok(error instanceof SluiceError)
    assert.match(error.message, /^127\.0\.0\.1:\d+ answered 401$/)
    assert.equal(error.cause, undefined)
    assert.doesNotMatch(JSON.stringify([error.message, error.stack, error.describe()]), /secret-of-ours|Basmati/)
  })

  test('usage that no provider could mean is made sane', async () => {
    const usage = {
      prompt_tokens: -5,
      completion_tokens: 1e300,
      prompt_tokens_details: { cached_tokens: '9'.repeat(9) },
    }
    const odd = await server((_, response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: 'stop' }], usage })),
    )
    const reply = await overHttp(odd.url).complete(request, never)
    await odd.stop()
    assert.deepEqual(reply.usage, { inputTokens: 0, cachedInputTokens: 0, outputTokens: 10_000_000 })
  })

  test('a model that takes no temperature is asked without, from then on', async () => {
    const temperatures: unknown[] = []
    const strict = await server(async (incoming, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const { temperature } = JSON.parse(Buffer.concat(chunks).toString()) as { temperature?: number }
      temperatures.push(temperature)
      const ok = { choices: [{ message: { content: 'x' }, finish_reason: 'stop' }] }
      const no = { error: { message: 'unsupported', param: 'temperature', code: 'unsupported_value' } }
      response
        .writeHead(temperature === undefined ? 200 : 400, { 'content-type': 'application/json' })
        .end(JSON.stringify(temperature === undefined ? ok : no))
    })
    const llm = overHttp(strict.url)
    await llm.complete(request, never)
    await llm.complete(request, never)
    const warm = openAiLlm({ base_url: strict.url, api_key: '', model: 'm', timeout_ms: 5_000, temperature: 0.7 })
    await warm.complete(request, never)
    await strict.stop()
    assert.deepEqual(temperatures, [0, undefined, undefined, 0.7, undefined])
  })

  test('the stand-in says plainly what it is', async () => {
    const front = await fetch(new URL('/', standIn.url))
    assert.match(await front.text(), /stand-in.*no language model/)
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  for (const [header, wait] of [
    ['0', 0],
    ['7', 7_000],
    ['-1', 0],
    ['1e9', 60_000],
    ['999999999999', 60_000],
    ['9'.repeat(400), undefined],
    ['Sun, 22 Nov 2026 12:00:30 GMT', 30_000],
    ['Sun, 22 Nov 2020 12:00:30 GMT', 0],
    ['Sun, 22 Nov 2099 12:00:30 GMT', 60_000],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ] as const)
    test(`"${String(header).slice(0, 40)}" is ${wait} ms`, () => assert.equal(retryAfter_ms(header, now, 60_000), wait))
})

describe('the address of the LLM', () => {
  for (const address of [
    'http://169.254.169.254/latest/',
    'http://2852039166/v1',
    'http://0xa9fea9fe/v1',
    'http://[::ffff:169.254.169.254]/v1',
    'http://[fd00:ec2::254]/v1',
    'http://metadata.google.internal./v1',
    'http://METADATA.google.internal/v1',
    'http://100.100.100.200/v1',
    'file:///etc/passwd',
    'ftp://127.0.0.1/v1',
    'javascript:alert(1)',
    'http://user:sk-secret-of-ours@127.0.0.1/v1',
    'nonsense',
    '',
  ])
    test(`"${address}" is refused, without a secret in the message`, () => {
      assert.throws(
        () => llmAddress(address),
        (error) => error instanceof SluiceError && error.code === 'SL101' && !error.message.includes('secret'),
      )
    })
  for (const address of ['http://127.0.0.1:8089/v1', 'https://api.openai.com/v1', 'http://[::1]:11434/v1'])
    test(`"${address}" is taken`, () => assert.equal(llmAddress(address).href, address))
})

function overHttp(base_url: string, timeout_ms = 5_000): Llm {
  return openAiLlm({ base_url, api_key: KEY, model: 'any', timeout_ms })
}

function standInServer(): Promise<StandIn> {
  const examplesDir = join(import.meta.dirname, '../../examples')
  return startStandIn({ port: 0, seed: 1, latency_ms: [0, 0], errorRate: 0, examplesDir })
}

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
