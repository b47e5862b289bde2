// Two providers with nothing faked but the models: openai, opossum, real time, and two stand-ins, one of them in trouble.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { startStandIn, STAND_IN_MODEL } from '../../scripts/llm-stand-in.ts'
import { BREAKER_DEFAULTS, createBreaker } from '../../src/adapters/breaker/breaker.ts'
import { systemClock } from '../../src/adapters/clock.ts'
import { openAiLlm } from '../../src/adapters/openai/llm.ts'
import { pathKey } from '../../src/core/labels.ts'
import { createLlmTier } from '../../src/tiers/llm.ts'
import { createProviders, isOutage } from '../../src/tiers/llm-providers.ts'
import { fakeBooks } from '../fakes/books.ts'
import { EXAMPLES } from '../support/benchmark-task.ts'
import { ASKING, hash, openItem, redact, taskWith } from '../support/llm.ts'
import type { Mode, StandIn } from '../../scripts/llm-stand-in.ts'
import type { EventFields } from '../../src/core/events.ts'

const RESET_MS = 50
const LIMITS = {
  ...ASKING,
  items_per_call_max: 5,
  asks_max: 3,
  calls_concurrently: 4,
  segment_chars_max: 600,
  output_tokens_max: 4_000,
  progress_ms: 50,
}
const never = new AbortController().signal

interface Row {
  readonly title: string
  readonly brand?: string
  readonly label: string[]
}
const rows = readFileSync(join(EXAMPLES, 'products.jsonl'), 'utf8')
  .split('\n', 60)
  .map((line) => JSON.parse(line) as Row)
const items = rows.map(({ brand, title }, index) => openItem(index, `${brand ?? ''} ${title}`))

describe('two providers over a network', () => {
  let first: StandIn
  let second: StandIn
  const start = (seed: number) =>
    startStandIn({ port: 0, seed, latency_ms: [0, 0], errorRate: 0, examplesDir: EXAMPLES })
  before(async () => ([first, second] = await Promise.all([start(1), start(2)])))
  after(() => Promise.all([first.stop(), second.stop()]))
  afterEach(() => first.control({ mode: 'ok' }))

  function world() {
    const events: { name: string; fields: EventFields }[] = []
    const emit = (name: string, fields: EventFields) => void events.push({ name, fields })
    const seat = (name: string, { url }: StandIn) => ({
      name,
      llm: openAiLlm({ name, base_url: url, api_key: 'none', model: STAND_IN_MODEL, timeout_ms: 20_000 }),
      breaker: createBreaker({ ...BREAKER_DEFAULTS, reset_ms: RESET_MS, isFailure: isOutage, provider: name, emit }),
      price: undefined,
    })
    const providers = createProviders({
      providers: [seat('first', first), seat('second', second)],
      calls_max: LIMITS.calls_concurrently,
      backoff: { backoff_ms: 5, backoff_max_ms: 50 },
      clock: systemClock,
      emit,
      random: Math.random,
    })
    const task = taskWith([...new Map(rows.map(({ label }) => [pathKey(label), label])).values()])
    const books = fakeBooks(systemClock)
    const tier = createLlmTier({ task, providers, clock: systemClock, emit, books, hash, redact, limits: LIMITS })
    const before = [first.counters().calls, second.counters().calls] as const
    return {
      providers,
      async right() {
        const results = await tier.answer(items, async () => {}, never)
        return results.filter(
          (result, at) => result.kind === 'answered' && pathKey(result.answer.label) === pathKey(rows[at]!.label),
        ).length
      },
      calls: () => [first.counters().calls - before[0], second.counters().calls - before[1]] as const,
      said: (name: string) => events.filter((event) => event.name === name).map(({ fields }) => fields),
    }
  }

  for (const [mode, why] of [
    ['401', 'refused'],
    ['500', 'unavailable'],
    ['429', 'busy'],
    ['reset', 'unavailable'],
    ['not-json', 'unavailable'],
    ['redirect', 'refused'],
    ['400', 'rejected'],
  ] as const satisfies readonly (readonly [Mode, string])[])
    test(`${mode} at the first: every item is answered by the second, and why is said`, async () => {
      first.control({ mode })
      const { right, calls, said, providers } = world()
      assert.equal(await right(), items.length)
      providers.close()
      assert.ok(calls()[1] >= items.length / LIMITS.items_per_call_max)
      const failovers = said('llm.failed-over')
      assert.ok(failovers.length > 0 && failovers.every((one) => one['why'] === why && one['to'] === 'second'))
      assert.equal(said('llm.refused').length > 0, why === 'refused' || why === 'rejected')
    })

  test('the first is asked again when it is well, and then alone', async () => {
    first.control({ mode: '500' })
    const { right, calls, providers } = world()
    await right()
    first.control({ mode: 'ok' })
    // However long it takes on a slow machine: after a reset interval the next call is the probe that closes the breaker.
    let alone = false
    for (let round = 0; round < 400 && !alone; round++) {
      const before = calls()
      await right()
      alone = calls()[1] === before[1]
      if (!alone) await systemClock.sleep(RESET_MS)
    }
    assert.ok(alone)
    assert.deepEqual(providers.degraded(), [])
    providers.close()
  })
})
