// A stand-in for a large language model: an OpenAI-compatible server for the demo and the tests, and no more than that.
// It says so wherever it is asked. It sees only what a real provider would see; POST /control makes it misbehave.
//   node scripts/llm-stand-in.ts [--port 8089] [--seed 1] [--latency 300,900] [--error-rate 0.04]
import { createServer } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { answerer, chance } from './llm-stand-in-answers.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const STAND_IN_MODEL = 'sluice-stand-in'
export const PLAINLY =
  'This is the stand-in for an LLM that comes with Sluice. It is no language model: it looks texts up among the labelled examples.'

const MODES = [
  ...([
    'ok',
    '500',
    '429',
    '401',
    '400',
    'redirect',
    'hang',
    'reset',
    'malformed',
    'wrong-label',
    'missing-ids',
  ] as const),
  ...(['foreign-ids', 'length', 'refusal', 'huge', 'slow', 'not-json'] as const),
]
export type Mode = (typeof MODES)[number]

export interface Control {
  readonly mode: Mode
  /** Back to `ok` after this long. */
  readonly for_ms?: number
  /** Share of the calls that are struck, in [0, 1]; default 1. */
  readonly share?: number
  /** Sent as it stands in Retry-After, with 429 and 500. */
  readonly retryAfter?: string | number
}

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
  stop(): Promise<void>
}

interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly response_format?: { json_schema?: { schema?: { properties?: { answers?: { items?: unknown } } } } }
}

type Answers = { id: string; label: string }[]

export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const answer = answerer(options.examplesDir, options.seed, options.errorRate)
  let control: Control = { mode: 'ok' }
  let until = Infinity
  const counters: Counters = fresh()
  const seenPrefixes = new Set<string>()

  function strikes(): Mode {
    if (Date.now() >= until) control = { mode: 'ok' }
    const struck = chance(`${options.seed} strike ${counters.calls}`) < (control.share ?? 1)
    return struck ? control.mode : 'ok'
  }

  function setControl(next: Control): void {
    if (!MODES.includes(next.mode)) throw new RangeError(`mode is one of ${MODES.join(', ')}`)
    control = next
    until = next.for_ms === undefined ? Infinity : Date.now() + next.for_ms
  }

  async function chat(request: ChatRequest, name: string | undefined, response: ServerResponse): Promise<void> {
    counters.calls++
    const mode = strikes()
    counters.byMode[mode] = (counters.byMode[mode] ?? 0) + 1
    const [from, to] = options.latency_ms
    await sleep((from + (to - from) * chance(`${options.seed} late ${counters.calls}`)) * (mode === 'slow' ? 10 : 1))
    if (refuse(mode, control, response)) return
    const asked = readRequest(request)
    counters.items += asked.items.length
    const answers = asked.items.map(({ id, texts }) => ({ id, label: answer({ texts, labels: asked.labels }) }))
    const content = spoil(mode, answers)
    const usage = tokensOf(request, content, seenPrefixes)
    charge(counters, usage)
    if (name !== undefined)
      charge((counters.byCall[name] ??= { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }), usage)
    const refused = mode === 'refusal'
    json(response, 200, {
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
    })
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://stand-in')
    const what = `${request.method} ${pathname}`
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
  return { url: `http://127.0.0.1:${port}/v1`, control: setControl, counters: () => counters, stop: () => stop(server) }
}

function charge(to: Charge, usage: ReturnType<typeof tokensOf>): void {
  to.inputTokens += usage.prompt_tokens
  to.cachedInputTokens += usage.prompt_tokens_details.cached_tokens
  to.outputTokens += usage.completion_tokens
}

/** The faults that end a call before there is an answer; true where the response has been seen to. */
function refuse(mode: Mode, control: Control, response: ServerResponse): boolean {
  const after = control.retryAfter === undefined ? {} : { 'retry-after': String(control.retryAfter) }
  if (mode === 'hang') return true
  if (mode === 'reset') response.destroy()
  else if (mode === 'redirect') response.writeHead(307, { location: 'http://169.254.169.254/latest/' }).end()
  else if (mode === 'not-json') response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>We are sorry</h1>')
  else if (mode === 'huge') huge(response)
  else if (/^\d+$/.test(mode)) json(response, Number(mode), { error: { message: `told to answer ${mode}` } }, after)
  return response.writableEnded || response.destroyed || mode === 'huge'
}

/** 50 MB without a content-length. */
function huge(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const chunk = Buffer.alloc(1_048_576, 32)
  let left = 50
  const more = () => {
    while (left-- > 0) if (!response.write(chunk)) return void response.once('drain', more)
    response.end()
  }
  more()
}

function spoil(mode: Mode, answers: Answers): string {
  const whole = JSON.stringify({ answers })
  if (mode === 'malformed') return `\`\`\`json\n${whole.slice(0, -3)}`
  if (mode === 'length') return whole.slice(0, whole.length / 2)
  if (mode === 'wrong-label')
    return JSON.stringify({ answers: answers.map(({ id, label }) => ({ id, label: `${label} ` })) })
  if (mode === 'missing-ids') return JSON.stringify({ answers: answers.filter((_, at) => at % 2 === 0) })
  if (mode === 'foreign-ids')
    return JSON.stringify({ answers: answers.map(({ id, label }) => ({ id: `${Number(id) + 1}`, label })) })
  return whole
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

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function json(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
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
