// Batches that are interrupted at every step, against the stand-in's Batch API: nothing is asked twice, nothing is lost.
// A crash is simulated: what runs is thrown away, what was written down stays.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { startStandIn, STAND_IN_MODEL } from '../../scripts/llm-stand-in.ts'
import { systemClock } from '../../src/adapters/clock.ts'
import { openAiBatches } from '../../src/adapters/openai/batches.ts'
import { callIds, open } from '../../src/core/llm/asking.ts'
import { pathKey } from '../../src/core/labels.ts'
import { LlmRejected, LlmUnavailable } from '../../src/ports/llm.ts'
import { createBatchWork } from '../../src/tiers/llm-batch.ts'
import { renderPrompt } from '../../src/core/prompt.ts'
import { EXAMPLES } from '../support/benchmark-task.ts'
import { hash, PROMPT_OPTIONS, taskWith } from '../support/llm.ts'
import type { StandIn } from '../../scripts/llm-stand-in.ts'
import type { StoredCall } from '../../src/ports/call-store.ts'
import type { BatchPart, LlmBatches } from '../../src/ports/llm-batch.ts'

const LIMITS = { items_per_call_max: 3, asks_max: 3, prompt_tokens_max: 8_000, shortlist_mass: 0.95, shortlist_max: 12 }
const never = new AbortController().signal

interface Row {
  readonly title: string
  readonly brand?: string
  readonly label: string[]
}
const rows = readFileSync(join(EXAMPLES, 'products.jsonl'), 'utf8')
  .split('\n', 9)
  .map((line) => JSON.parse(line) as Row)

class Crash extends Error {}

describe('batches', () => {
  let standIn: StandIn
  before(async () => {
    standIn = await startStandIn({ port: 0, seed: 1, latency_ms: [0, 0], errorRate: 0, examplesDir: EXAMPLES })
  })
  after(() => standIn.stop())
  beforeEach(() => {
    standIn.control({ mode: 'ok' })
    standIn.batchControl({})
  })
  let worlds = 0

  /** A folder's worth of state, and processes that work on it one after the other. The keys of each world are its own. */
  function world(options: { readonly settle_ms?: number } = {}) {
    const name = worlds++
    const task = taskWith([...new Map(rows.map(({ label }) => [pathKey(label), label])).values()])
    const questions = rows.map(({ brand, title }) => ({ segments: [`${brand ?? ''} ${title}`], shortlist: [] }))
    const parts: BatchPart[] = []
    const calls = new Map<string, StoredCall>()
    /** Answers that the end of the machine would take. */
    const kept = { unsafe: 0 }
    /** What was said before anything was handed in: requests, and the most that they can cost. */
    const said: [requests: number, most_usd: number][] = []
    const adapter = openAiBatches({
      base_url: standIn.url,
      api_key: '',
      model: STAND_IN_MODEL,
      timeout_ms: 5_000,
      file_timeout_ms: 5_000,
    })
    const before = { batches: standIn.batchCounters().batches, calls: standIn.counters().calls }

    /** A process that ends before its step number `fatal`, counted over everything that it says to anyone. */
    function start(fatal = Infinity) {
      let steps = 0
      const step = () => {
        if (++steps >= fatal) throw new Crash()
      }
      const mortal =
        <Args extends unknown[], T>(act: (...args: Args) => Promise<T>) =>
        async (...args: Args): Promise<T> => {
          step()
          const result = await act(...args)
          step()
          return result
        }
      const batches: LlmBatches = {
        llm: { model: adapter.llm.model, complete: mortal(adapter.llm.complete) },
        create: mortal(adapter.create),
        find: mortal(adapter.find),
        look: mortal(adapter.look),
        read: mortal(adapter.read),
      }
      const work = createBatchWork({
        start: open(task.labels, questions, LIMITS),
        render(asking, call, round) {
          const ids = callIds(call)
          const items = call.questions.map((at, index) => ({
            id: ids[index]!,
            segments: asking.questions[at]!.segments,
          }))
          const choice = { labels: [...call.choices.steps.keys()], whole: call.choices.whole }
          const request = renderPrompt(task, items, choice, PROMPT_OPTIONS)
          return { request, key: hash(JSON.stringify([name, round, request])).slice(0, 32) }
        },
        batches,
        calls: {
          get: (key) => calls.get(key),
          put: mortal(async (key: string, call: StoredCall) => void (calls.set(key, call), kept.unsafe++)),
          flush: mortal(async () => void (kept.unsafe = 0)),
          total: () => assert.fail('not asked for'),
          close: async () => {},
        },
        store: {
          parts: () => [...parts],
          put: mortal(async (at: number, part: BatchPart) => {
            if (part.end) assert.equal(kept.unsafe, 0, 'what a part brought is safe before the part is over')
            parts[at] = part
          }),
        },
        clock: systemClock,
        hash: (text) => hash(text).slice(0, 32),
        limits: { requests_max: 1, bytes_max: 1e6, settle_ms: options.settle_ms ?? 0 },
        price: { input: 1, cached_input: 1, output: 1 },
        price_share: 0.5,
        before: (...told) => void said.push(told),
      })
      return { work, steps: () => steps }
    }

    return {
      start,
      parts,
      said,
      /** Batches made, the most that one request was asked in them, and calls outside of them. */
      paid() {
        const counted = standIn.batchCounters()
        const keys = parts.flatMap((part) => part.keys)
        const times = keys.map((key) => counted.asked[key] ?? 0)
        const inBatches = [...new Set(keys)].reduce((sum, key) => sum + (counted.asked[key] ?? 0), 0)
        return {
          batches: counted.batches - before.batches,
          most: Math.max(0, ...times),
          alone: standIn.counters().calls - before.calls - inBatches,
        }
      },
      /** Items whose label is the right one. */
      right(work: ReturnType<typeof createBatchWork>) {
        return work
          .standing()
          .asking.standings.filter(
            ({ verdict }, at) => verdict?.kind === 'answered' && pathKey(verdict.label) === pathKey(rows[at]!.label),
          ).length
      },
    }
  }
  type World = ReturnType<typeof world>

  async function finish({ start }: World, fatal?: number) {
    const { work, steps } = start(fatal)
    for (let turn = 0; turn < 10; turn++) {
      await work.submit(never)
      await work.harvest(never)
      if (work.standing().asking.standings.every(({ verdict }) => verdict !== undefined))
        return { work, steps: steps() }
    }
    return assert.fail('no end')
  }

  test('hand in everything in parts, and bring every label at their price', async () => {
    const one = world()
    const { work } = await finish(one)
    assert.equal(one.right(work), 9)
    assert.deepEqual(one.paid(), { batches: 2, most: 1, alone: 1 })
    assert.deepEqual(
      one.parts.map(({ end }) => end),
      [1, 1].map((answered) => ({ status: 'completed', answered, unanswered: 0 })),
    )
    const { spent } = work.standing()
    const [alone, inBatch] = [spent[0]!, spent[8]!]
    const price = (of: typeof alone) => of.costUsd / (of.inputTokens + of.outputTokens)
    assert.ok(price(inBatch) < 0.6 * price(alone), 'half the price')
    assert.equal(await work.submit(never), 0, 'nothing is left to hand in')
  })

  test('end before any step, and go on from there: nothing is asked twice in a batch, one call at most beside them', async () => {
    const { steps } = await finish(world())
    assert.ok(steps > 20, `${steps} steps`)
    for (let fatal = 1; fatal <= steps; fatal++) {
      const one = world()
      await assert.rejects(finish(one, fatal), Crash)
      const { work } = await finish(one)
      assert.equal(one.right(work), 9, `step ${fatal}`)
      const { most, alone } = one.paid()
      // The call that was on its way when it ended, the one that the first process tried with, and the second's.
      assert.ok(most <= 1 && alone <= 3, `step ${fatal}: ${JSON.stringify(one.paid())}`)
    }
  })

  test('are weighed before they are handed in: with those under way, and the one that is asked for the whole price', async () => {
    standIn.batchControl({ ms: 600_000 })
    for (let fatal = 1; ; fatal++) {
      const one = world()
      await assert.rejects(one.start(fatal).work.submit(never), Crash)
      if (one.parts[0]?.id === undefined) continue
      // One answered, one under way; the second process tries the third one alone.
      await one.start().work.submit(never)
      const [[requests, most_usd], [left, still_usd]] = one.said as [[number, number], [number, number]]
      assert.deepEqual([requests, left], [3, 2])
      // Of three that cost about the same: 1 + 1/2 + 1/2 of the price, then 1/2 + 1.
      assert.ok(still_usd > 0.7 * most_usd && still_usd < 0.8 * most_usd, `${still_usd} of ${most_usd}`)
      return
    }
  })

  test('are not made twice when the provider says nothing of the first one, even if its list is slow', async () => {
    standIn.batchControl({ cutAfterCreate: true, listed_ms: 200 })
    const one = world({ settle_ms: 3_000 })
    await assert.rejects(finish(one), LlmUnavailable)
    const { work } = await finish(one)
    assert.equal(one.right(work), 9)
    assert.deepEqual([one.paid().batches, one.paid().most], [1, 1])
  })

  test('that expire in part bring what was answered; the rest is asked again', async () => {
    standIn.batchControl({ outcome: 'expired', share: 0.5 })
    const one = world()
    const { work } = one.start()
    await work.submit(never)
    const taken = await work.harvest(never)
    assert.deepEqual([taken.answered, taken.unanswered], [1, { 'not asked in time': 1 }])
    standIn.batchControl({})
    const { work: again } = await finish(one)
    assert.equal(one.right(again), 9)
    assert.equal(one.paid().most, 1)
  })

  test('whose requests fail here and there are asked again, those alone', async () => {
    standIn.batchControl({ share: 0.5 })
    const one = world()
    const { work } = one.start()
    await work.submit(never)
    const { answered, unanswered } = await work.harvest(never)
    assert.deepEqual([answered, unanswered], [1, { 'status 500': 1 }])
    standIn.batchControl({})
    await finish(one)
    assert.equal(one.paid().most, 1)
  })

  test('that are not accepted say so, cost nothing, and are handed in anew when asked', async () => {
    standIn.batchControl({ outcome: 'failed' })
    const one = world()
    const { work } = one.start()
    await work.submit(never)
    const taken = await work.harvest(never)
    assert.deepEqual([taken.failed, taken.answered, taken.unanswered], [2, 0, { 'batch failed': 2 }])
    standIn.batchControl({})
    const { work: again } = await finish(one)
    assert.equal(one.right(again), 9)
    assert.equal(one.paid().most, 1)
  })

  test('that still run are neither taken in nor handed in again', async () => {
    standIn.batchControl({ ms: 600_000 })
    const one = world()
    const { work } = one.start()
    assert.equal(await work.submit(never), 3)
    assert.equal(await work.submit(never), 0)
    assert.equal((await work.harvest(never)).running, 2)
    assert.deepEqual(
      (await work.look(never)).map(({ phase, status }) => [phase, status]),
      [
        ['running', 'in_progress'],
        ['running', 'in_progress'],
      ],
    )
    assert.equal(one.paid().batches, 2)
  })

  test('a provider that turns every request down shows before a file is sent, and nobody goes to review for it', async () => {
    standIn.control({ mode: '400' })
    const one = world()
    await assert.rejects(finish(one), LlmRejected)
    assert.deepEqual([one.paid().batches, one.parts.length], [0, 0])
    standIn.control({ mode: 'ok' })
    const { work } = await finish(one)
    assert.equal(one.right(work), 9)
  })

  test('a wrong key shows before a file is sent', async () => {
    standIn.control({ mode: '401' })
    const one = world()
    await assert.rejects(finish(one), { code: 'SL401' })
    assert.deepEqual([one.paid().batches, one.parts.length], [0, 0])
  })
})
