// A stand-in for a large language model: an OpenAI-compatible server for the demo and the tests, and no more than that.
// It says so wherever it is asked. It sees only what a real provider would see; POST /control makes it misbehave.
//   node scripts/llm-stand-in.ts [--port 8089] [--seed 1] [--latency 300,900] [--error-rate 0.04]
import { createServer } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { answerer, chance } from './llm-stand-in-answers.ts'
import { standInBatches } from './llm-stand-in-batches.ts'
import { json, MODES, refuse, spoil } from './llm-stand-in-faults.ts'
import type { BatchControl, BatchCounters } from './llm-stand-in-batches.ts'
import type { Control, Mode } from './llm-stand-in-faults.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const STAND_IN_MODEL = 'sluice-stand-in'
export const PLAINLY =
  'This is the stand-in for an LLM that comes with Sluice. It is no language model: it looks texts up among the labelled examples.'

export type { Control, Mode }

export interface StandInOptions {
  /** 0: a free one. */
  readonly port: number
  readonly seed: number
  readonly latency_ms: readonly [number, number]
  readonly errorRate: number
  readonly examplesDir: string
}

export interface Counters {
  calls: number
  items: number
  inputTokens: number
  cachedInputTokens: number
  outputTokens: number
  /** By what became of the call: `ok` or the mode that struck it. */
  byMode: Record<string, number>
  /** By X-Client-Request-Id: what was charged for the call. A call that was struck before it was answered is free. */
  byCall: Record<string, Charge>
}

export interface Charge {
  inputTokens: number
  cachedInputTokens: number
  outputTokens: number
}

export interface StandIn {
  /** Base URL, ending in /v1. */
  readonly url: string
  control(control: Control): void
  counters(): Counters
  /** How its Batch API behaves from now on. */
  batchControl(control: BatchControl): void
  batchCounters(): BatchCounters
  stop(): Promise<void>
}

interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly response_format?: { json_schema?: { schema?: { properties?: { answers?: { items?: unknown } } } } }
}

export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const answer = answerer(options.examplesDir, options.seed, options.errorRate)
  let control: Control = { mode: 'ok' }
  const counters: Counters = fresh()
  const seenPrefixes = new Set<string>()

  function strikes(): Mode {
    const struck = chance(`${options.seed} strike ${counters.calls}`) < (control.share ?? 1)
    return struck ? control.mode : 'ok'
  }

  function setControl(next: Control): void {
    if (!MODES.includes(next.mode)) throw new RangeError(`mode is one of ${MODES.join(', ')}`)
    control = next
  }

  async function chat(request: ChatRequest, name: string | undefined, response: ServerResponse): Promise<void> {
    counters.calls++
    const mode = strikes()
    counters.byMode[mode] = (counters.byMode[mode] ?? 0) + 1
    const [from, to] = options.latency_ms
    await sleep((from + (to - from) * chance(`${options.seed} late ${counters.calls}`)) * (mode === 'slow' ? 10 : 1))
    if (!refuse(mode, control, response)) json(response, 200, completion(request, mode, name))
  }

  /** An answer, and what it costs. */
  function completion(request: ChatRequest, mode: Mode, name: string | undefined): object {
    const asked = readRequest(request)
    counters.items += asked.items.length
    const answers = asked.items.map(({ id, texts }) => ({ id, label: answer({ texts, labels: asked.labels }) }))
    const content = spoil(mode, answers)
    const usage = tokensOf(request, content, seenPrefixes)
    charge(counters, usage)
    if (name !== undefined)
      charge((counters.byCall[name] ??= { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }), usage)
    const refused = mode === 'refusal'
    return {
      id: `stand-in-${counters.calls}`,
      object: 'chat.completion',
      created: Math.floor(Date.now() / 1_000),
      model: STAND_IN_MODEL,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: refused ? null : content,
            refusal: refused ? 'I cannot do that.' : null,
          },
          finish_reason: mode === 'length' ? 'length' : 'stop',
        },
      ],
      usage,
    }
  }
  const batches = standInBatches({
    complete: (body) => (counters.calls++, completion(body as ChatRequest, 'ok', undefined)),
    json,
  })

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://stand-in')
    const what = `${request.method} ${pathname}`
    if (/^\/v1\/(files|batches)\b/.test(pathname)) {
      if (!refuse(strikes(), control, response)) await batches.route(request, await bytes(request), response)
      return
    }
    if (what === 'POST /v1/chat/completions') {
      const name = request.headers['x-client-request-id']
      return chat(JSON.parse(await text(request)) as ChatRequest, name?.toString(), response)
    }
    if (what === 'GET /v1/models') return json(response, 200, { object: 'list', data: [{ id: STAND_IN_MODEL }] })
    if (what === 'GET /control') return json(response, 200, counters)
    if (what === 'POST /control') {
      setControl(JSON.parse(await text(request)) as Control)
      return json(response, 200, control)
    }
    if (what === 'GET /') return json(response, 200, { model: STAND_IN_MODEL, says: PLAINLY })
    json(response, 404, { error: { message: `nothing at ${what}` } })
  }

  const server = createServer((request, response) => {
    response.on('error', () => {})
    route(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else json(response, 400, { error: { message: String(error) } })
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options.port, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    control: setControl,
    counters: () => counters,
    batchControl: batches.control,
    batchCounters: batches.counters,
    stop: () => stop(server),
  }
}

function charge(to: Charge, usage: ReturnType<typeof tokensOf>): void {
  to.inputTokens += usage.prompt_tokens
  to.cachedInputTokens += usage.prompt_tokens_details.cached_tokens
  to.outputTokens += usage.completion_tokens
}

/** What a model would read: the labels from the schema, the items from the lines between the markers. */
function readRequest(request: ChatRequest): { labels: string[]; items: { id: string; texts: string[] }[] } {
  const schema = request.response_format?.json_schema?.schema?.properties?.answers?.items as
    | { properties: { label: { enum: string[] } } }
    | undefined
  if (schema === undefined) throw new SyntaxError('response_format with a JSON schema is needed')
  const user = request.messages.find(({ role }) => role === 'user')?.content ?? ''
  const items = user.split('\n').flatMap((line) => {
    if (!line.startsWith('{"id":')) return []
    const { id, ...segments } = JSON.parse(line) as Record<string, string>
    return [{ id: id!, texts: Object.values(segments) }]
  })
  return { labels: schema.properties.label.enum, items }
}

/** Four characters a token; a system prompt of 1,024 tokens or more is read from the cache the second time. */
function tokensOf(request: ChatRequest, content: string, seen: Set<string>) {
  const size = (value: unknown) => Math.ceil(JSON.stringify(value ?? '').length / 4)
  const system = request.messages[0]?.content ?? ''
  const cached = seen.has(system) && size(system) >= 1_024 ? size(system) : 0
  seen.add(system)
  const prompt = size(request.messages) + size(request.response_format)
  const completion = size(content)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  }
}

function fresh(): Counters {
  return { calls: 0, items: 0, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, byMode: {}, byCall: {} }
}

async function bytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function text(request: IncomingMessage): Promise<string> {
  return (await bytes(request)).toString('utf8')
}

function sleep(duration_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration_ms))
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8089' },
      seed: { type: 'string', default: '1' },
      latency: { type: 'string', default: '300,900' },
      'error-rate': { type: 'string', default: '0.04' },
      examples: { type: 'string', default: join(import.meta.dirname, '..', 'examples') },
    },
  })
  const [from = 0, to = from] = values.latency.split(',').map(Number)
  const standIn = await startStandIn({
    port: Number(values.port),
    seed: Number(values.seed),
    latency_ms: [from, to],
    errorRate: Number(values['error-rate']),
    examplesDir: values.examples,
  })
  console.log(`${PLAINLY}\n${standIn.url}`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.stop())
}
