// The LLM tier with nothing faked but the model: openai, opossum, real time, and the stand-in server misbehaving.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startStandIn, STAND_IN_MODEL } from '../../scripts/llm-stand-in.ts'
import { BREAKER_DEFAULTS, createBreaker } from '../../src/adapters/breaker/breaker.ts'
import { systemClock } from '../../src/adapters/clock.ts'
import { openAiLlm } from '../../src/adapters/openai/llm.ts'
import { pathKey } from '../../src/core/labels.ts'
import { createLlmTier } from '../../src/tiers/llm.ts'
import { createProviders, isOutage } from '../../src/tiers/llm-providers.ts'
import { fakeBooks } from '../fakes/books.ts'
import { ASKING, hash, openItem, redact, taskWith } from '../support/llm.ts'
import type { Mode, StandIn } from '../../scripts/llm-stand-in.ts'
import type { LlmResult } from '../../src/ports/tier.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples')
const RESET_MS = 100
const LIMITS = {
  ...ASKING,
  items_per_call_max: 20,
  asks_max: 3,
  calls_concurrently: 4,
  segment_chars_max: 600,
  output_tokens_max: 4_000,
  progress_ms: 50,
}

interface Row {
  readonly title: string
  readonly brand?: string
  readonly label: string[]
}
const rows = readFileSync(join(EXAMPLES, 'products.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Row)
  .slice(0, 120)
const items = rows.map(({ brand, title }, index) => openItem(index, `${brand ?? ''} ${title}`))

describe('the LLM tier with the stand-in server', () => {
  let standIn: StandIn
  before(async () => {
    standIn = await startStandIn({ port: 0, seed: 1, latency_ms: [0, 0], errorRate: 0, examplesDir: EXAMPLES })
  })
  after(() => standIn.stop())

  /** `onState` hears of every state the breaker goes to. The stand-in shares our processor: it may take its time. */
  async function ask(onState: (states: readonly unknown[]) => void = () => {}, timeout_ms = 30_000) {
    const states: unknown[] = []
    const breaker = createBreaker({
      ...BREAKER_DEFAULTS,
      reset_ms: RESET_MS,
      isFailure: isOutage,
      provider: 'stand-in',
      emit(name, fields) {
        if (name !== 'breaker.changed') return
        states.push(fields['state'])
        onState(states)
      },
    })
    const providers = createProviders({
      providers: [
        {
          name: 'stand-in',
          llm: openAiLlm({ base_url: standIn.url, api_key: 'none', model: STAND_IN_MODEL, timeout_ms }),
          breaker,
          price: { input: 1, cached_input: 0.1, output: 4 },
        },
      ],
      calls_max: LIMITS.calls_concurrently,
      backoff: { backoff_ms: 5, backoff_max_ms: 50 },
      clock: systemClock,
      emit: () => {},
      random: Math.random,
    })
    const task = taskWith(rows.map(({ label }) => label))
    const books = fakeBooks(systemClock)
    const options = { task, providers, clock: systemClock, emit: () => {}, books, hash, redact, limits: LIMITS }
    const tier = createLlmTier(options)
    const calls = standIn.counters().calls
    const results = await tier.answer(items, async () => {}, new AbortController().signal)
    providers.close()
    return { results, states, calls: standIn.counters().calls - calls }
  }

  const rightOnes = (results: readonly LlmResult[]) =>
    results.filter(
      (result, at) => result.kind === 'answered' && pathKey(result.answer.label) === pathKey(rows[at]!.label),
    ).length

  test('answers as well as the stand-in knows', async () => {
    const { results } = await ask()
    assert.ok(rightOnes(results) >= 0.95 * rows.length, `${rightOnes(results)} of ${rows.length}`)
  })

  for (const mode of ['500', '429', '401', 'hang', 'reset', 'not-json'] as const)
    test(`${mode} for a while: the breaker opens, few calls are spent, every item is answered after`, async () => {
      standIn.control({ mode })
      const backInTime = (seen: readonly unknown[]) => {
        if (seen.filter((state) => state === 'open').length === 3) standIn.control({ mode: 'ok' })
      }
      const { results, states, calls } = await ask(backInTime, mode === 'hang' ? 1_000 : undefined)
      assert.ok(results.every(({ kind }) => kind === 'answered'))
      assert.ok(rightOnes(results) >= 0.95 * rows.length)
      assert.equal(states[0], 'open')
      assert.equal(states.at(-1), 'closed')
      assert.ok(calls < 60, `${calls} calls`)
    })

  for (const mode of ['malformed', 'wrong-label', 'missing-ids', 'foreign-ids', 'length', 'refusal', 'huge'] as const)
    test(`${mode} now and then: none is answered wrongly, few end in review`, async () => {
      standIn.control({ mode: mode satisfies Mode, share: 0.3 })
      const { results } = await ask()
      standIn.control({ mode: 'ok' })
      const answered = results.filter(({ kind }) => kind === 'answered').length
      assert.equal(results.length, rows.length)
      assert.ok(rightOnes(results) >= answered - 0.05 * rows.length)
      assert.ok(answered >= 0.6 * rows.length, `${answered} answered`)
    })
})
