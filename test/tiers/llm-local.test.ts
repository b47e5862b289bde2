// The LLM tier with a real language model, a small one (scripts/llm-local.ts): real tokens, a grammar made of our schema,
// answers as wrong as a model of this size gives. Only where it is asked for.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BREAKER_DEFAULTS, createBreaker } from '../../src/adapters/breaker/breaker.ts'
import { systemClock } from '../../src/adapters/clock.ts'
import { openAiLlm } from '../../src/adapters/openai/llm.ts'
import { pathKey } from '../../src/core/labels.ts'
import { silent } from '../../src/ports/events.ts'
import { createLlmTier } from '../../src/tiers/llm.ts'
import { createProviders, isOutage } from '../../src/tiers/llm-providers.ts'
import { fakeBooks } from '../fakes/books.ts'
import { enumsOf } from '../fakes/llm.ts'
import { ASKING, hash, openItem, promptFor, redact, shopTask } from '../support/llm.ts'
import type { ChildProcess } from 'node:child_process'

const SCRIPT = fileURLToPath(new URL('../../scripts/llm-local.ts', import.meta.url))
const skip = process.env['SLUICE_TEST_LOCAL_LLM']
  ? false
  : 'set SLUICE_TEST_LOCAL_LLM=1 to ask a real model: fetches 300 MB once, then takes a core for a minute'
/** To fetch it and to load it. */
const READY_MS = 600_000
const CALL_MS = 120_000
const never = new AbortController().signal
const TEXTS = ['Basmati rice 5 kg', 'Orange juice 1 l', 'Wooden train set', 'Teddy bear']

describe('the LLM tier with a real model', { skip }, () => {
  let child: ChildProcess
  let base_url: string
  before(
    async () => {
      child = spawn(process.execPath, [SCRIPT, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
      for await (const line of createInterface({ input: child.stdout! }))
        if ((base_url = line).startsWith('http')) return
      assert.fail(`it ended before it was ready (exit code ${child.exitCode})`)
    },
    { timeout: READY_MS },
  )
  after(async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'exit')
  })
  const llm = () => openAiLlm({ base_url, api_key: '', model: 'gemma-3-270m', timeout_ms: CALL_MS })

  test('what it says in full is the JSON that the schema asks for; its tokens are counted', async () => {
    const request = { ...promptFor(shopTask(), TEXTS.slice(0, 2)), outputTokensMax: 100 }
    const { text, finish, usage } = await llm().complete(request, never)
    assert.ok(usage.inputTokens > 30 && usage.outputTokens > 3, JSON.stringify(usage))
    if (finish === 'length') return // so small a model does not always come to an end
    const { answers } = JSON.parse(text) as { answers: { id: string; label: string }[] }
    const { id, label } = enumsOf(request)
    for (const answer of answers) assert.ok(id.includes(answer.id) && label.includes(answer.label), text)
  })

  test('a reply that is too long for its limit says so', async () => {
    const { finish } = await llm().complete({ ...promptFor(shopTask(), TEXTS), outputTokensMax: 2 }, never)
    assert.equal(finish, 'length')
  })

  test('each item ends with a label of the set or for review, behind a provider that is dead', async (t) => {
    const seat = (name: string, url: string) => ({
      name,
      llm: openAiLlm({ base_url: url, api_key: '', model: name, timeout_ms: CALL_MS }),
      breaker: createBreaker({ ...BREAKER_DEFAULTS, isFailure: isOutage, provider: name, emit: silent }),
      price: undefined,
    })
    const clock = systemClock
    const providers = createProviders({
      providers: [seat('dead', 'http://127.0.0.1:9/v1'), seat('gemma', base_url)],
      calls_max: 1,
      backoff: { backoff_ms: 10, backoff_max_ms: 100 },
      clock,
      emit: silent,
      random: Math.random,
    })
    const limits = { calls_concurrently: 1, segment_chars_max: 200, output_tokens_max: 100, progress_ms: 1_000 }
    const asking = { ...ASKING, items_per_call_max: 2, asks_max: 2 }
    const task = shopTask()
    const books = fakeBooks(clock)
    const options = { task, providers, clock, emit: silent, books, hash, redact, limits: { ...limits, ...asking } }
    const items = TEXTS.map((text, index) => openItem(index, text))
    const results = await createLlmTier(options).answer(items, async () => {}, never)
    providers.close()
    assert.deepEqual(
      results.map(({ item }) => item.id),
      items.map(({ item }) => item.id),
    )
    const known = new Set(task.labels.paths.map(pathKey))
    for (const result of results) assert.ok(result.kind === 'review' || known.has(pathKey(result.answer.label)))
    t.diagnostic(results.map((it) => (it.kind === 'review' ? it.why : pathKey(it.answer.label))).join(' · '))
  })
})
