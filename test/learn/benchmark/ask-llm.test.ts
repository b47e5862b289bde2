// An LLM takes the test: what it is asked, what it may cost, what is remembered, and how it may fail.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { costUsd } from '../../../src/core/llm/usage.ts'
import { bench, itemOf, memoryStore, PRICE, shopSplit } from '../../support/benchmark.ts'
import { replyText } from '../../fakes/llm.ts'
import { seed, treeTask } from '../../support/llm.ts'
import { honest } from '../../support/llm-world.ts'
import type { Given, Split } from '../../../src/core/benchmark/score.ts'
import type { ReadRequest } from '../../fakes/llm.ts'

const both = [shopSplit(10), shopSplit(7, 'out-of-distribution')]
const labelsOf = (given: readonly (Given | undefined)[]) =>
  given.map((one) => (one === undefined ? '' : 'label' in one ? one.label.join('/') : `!${one.why}`))
const golds = (splits: readonly Split[]) => splits.map(({ items }) => items.map(({ gold }) => gold.join('/')))
const said = (given: readonly (readonly (Given | undefined)[])[]) => given.map(labelsOf)

describe('an LLM that takes the test', () => {
  test('is asked each item once, alone, and its answers stand at their items', async () => {
    const { llm, ask } = bench()
    const { performance, end } = await ask(both)
    assert.deepEqual(said(performance.given), golds(both))
    assert.equal(llm.requests.length, 17)
    assert.equal(performance.latencies_ms.length, 17)
    assert.deepEqual([...new Set(performance.latencies_ms)], [100])
    assert.equal(end, undefined)
    assert.equal(performance.failure, undefined)
  })

  test('may be asked several items a call, never of both files at once', async () => {
    const { llm, ask } = bench()
    const { performance } = await ask(both, { limits: { items_per_call: 4 } })
    assert.deepEqual(said(performance.given), golds(both))
    assert.equal(llm.requests.length, 3 + 2)
    assert.equal(performance.batch, 4)
  })

  test('walks a deep label set from the top, and the item costs all of its calls', async () => {
    const walker = ({ items, labels }: ReadRequest) => {
      const label = (text: string) =>
        labels.toSorted((a, b) => b.length - a.length).find((one) => text.startsWith(one))!
      return replyText(items.map(({ id, text }) => ({ id, label: label(text) })))
    }
    const texts = ['A1 > A1B2 > A1B2C3 x', 'A6 > A6B5 > A6B5C4 y']
    const items = texts.map((text) => itemOf(text, text.slice(0, -2).split(' > ')))
    const { llm, ask } = bench(walker)
    const { performance, spent } = await ask([{ name: 'in-distribution', items }], { task: treeTask() })
    assert.deepEqual(said(performance.given), golds([{ name: 'in-distribution', items }]))
    assert.equal(llm.requests.length, 4)
    assert.ok(Math.abs(costUsd(performance.usage, PRICE) - spent) < 1e-12)
  })
})

describe('an answer that is not valid', () => {
  const bad: Readonly<Record<string, (request: ReadRequest) => string>> = {
    malformed: () => '```json {"answers": [',
    'not-a-label': ({ items }) => replyText(items.map(({ id }) => ({ id, label: 'Cars' }))),
    missing: () => '{"answers":[]}',
    'foreign-ids': () => replyText([{ id: '7', label: 'Food' }]),
    'too-long': () => 'x'.repeat(2_000_000),
  }
  for (const [why, answer] of Object.entries(bad))
    test(`is counted as ${why}, is paid for, and is not asked again`, async () => {
      const { llm, ask } = bench(answer)
      const { performance, spent, end } = await ask([shopSplit(5)])
      assert.deepEqual(said(performance.given), [Array.from({ length: 5 }, () => `!${why}`)])
      assert.deepEqual([llm.requests.length, end], [5, undefined])
      assert.ok(spent > 0)
    })

  for (const mode of ['length', 'refusal'] as const)
    test(`is counted where the reply ends by ${mode}`, async () => {
      const { llm, ask } = bench()
      llm.mode = (call) => (call % 2 === 0 ? mode : 'ok')
      const { performance } = await ask([shopSplit(4)], { limits: { calls_concurrently: 1 } })
      assert.deepEqual(said(performance.given), [['Food', `!${mode}`, 'Toys', `!${mode}`]])
    })

  test('never ends the run, whatever the reply holds', async (t) => {
    const replies = fc.array(fc.oneof(fc.string(), fc.json(), fc.constant('{"answers":[{"id":"1","label":"Food"}]}')), {
      minLength: 1,
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(replies, async (texts) => {
        let at = 0
        const { performance, end } = await bench(() => texts[at++ % texts.length]!).ask([shopSplit(6)])
        assert.equal(end, undefined)
        assert.ok(performance.given[0]!.every((one) => one !== undefined))
      }),
      { seed: seed(t), numRuns: 30 },
    )
  })

  test('where the provider does not take one request is that item’s alone', async () => {
    const { llm, ask } = bench()
    llm.mode = (call) => (call === 2 ? '400' : 'ok')
    const { performance, end } = await ask([shopSplit(4)], { limits: { calls_concurrently: 1 } })
    assert.deepEqual(said(performance.given), [['Food', '!rejected', 'Toys', 'Food']])
    assert.equal(end, undefined)
  })
})

describe('what was answered', () => {
  test('is never asked again: not after a stop in the middle, not after the end', async () => {
    const store = memoryStore()
    const { llm, ask } = bench((request) => {
      if (llm.requests.length >= 6) stop.abort()
      return honest(request)
    })
    const stop = new AbortController()
    const first = await ask(both, { store, stop: stop.signal })
    const asked = llm.requests.length
    assert.equal(first.end, 'stopped')
    assert.ok(asked >= 6 && asked < 17, `${asked} calls`)
    // Those in flight at the stop were finished and kept.
    assert.equal(store.calls.size, asked)
    const second = await ask(both, { store })
    assert.equal(llm.requests.length, 17)
    assert.deepEqual(said(second.performance.given), golds(both))
    const third = await ask(both, { store })
    assert.equal(llm.requests.length, 17)
    assert.deepEqual(third.performance, second.performance)
  })

  test('goes on in the middle of a walk', async () => {
    const store = memoryStore()
    const stop = new AbortController()
    const { llm, ask } = bench(({ items, labels }) => {
      if (llm.requests.length === 1) stop.abort()
      return replyText(items.map(({ id }) => ({ id, label: labels[0]! })))
    })
    const split = { name: 'in-distribution', items: [itemOf('x', ['A1', 'A1B1', 'A1B1C1'])] } as const
    const options = { store, task: treeTask() }
    const first = await ask([split], { ...options, stop: stop.signal })
    assert.deepEqual([first.performance.given, llm.requests.length], [[[undefined]], 1])
    const second = await ask([split], options)
    assert.deepEqual([said(second.performance.given), llm.requests.length], [[['A1/A1B1/A1B1C1']], 2])
  })

  test('is asked anew of another endpoint or by another rubric', async () => {
    const store = memoryStore()
    const { llm, ask } = bench()
    await ask([shopSplit(3)], { store })
    await ask([shopSplit(3)], { store, settings: 'another endpoint' })
    assert.equal(llm.requests.length, 6)
    await ask([shopSplit(3)], { store, limits: { segment_chars_max: 500 } })
    assert.equal(llm.requests.length, 6, 'a limit that changes no request changes no answer')
  })
})

test('a request refused before the first that was taken is remembered too', async () => {
  const store = memoryStore()
  const { llm, ask } = bench()
  llm.mode = (call) => (call === 1 ? '400' : 'ok')
  await ask([shopSplit(4)], { store, limits: { calls_concurrently: 1 } })
  const again = await ask([shopSplit(4)], { store })
  assert.deepEqual([llm.requests.length, said(again.performance.given)], [4, [['!rejected', 'Drinks', 'Toys', 'Food']]])
})

describe('the cap on money', () => {
  test('is never exceeded under concurrency, and what is missing is missing', async (t) => {
    const cases = fc.record({
      cap: fc.double({ min: 0, max: 0.08, noNaN: true }),
      calls_concurrently: fc.integer({ min: 1, max: 8 }),
      items_per_call: fc.integer({ min: 1, max: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ cap, ...limits }) => {
        const store = memoryStore()
        const { llm, ask } = bench()
        const { performance, spent, end } = await ask(both, { store, cap, limits })
        assert.ok(spent <= cap, `${spent} of ${cap}`)
        assert.ok(Math.abs(costUsd(store.total(), PRICE) - spent) < 1e-9)
        const missing = performance.given.flat().filter((one) => one === undefined).length
        assert.equal(end, missing > 0 ? 'budget' : undefined)
        assert.equal(llm.requests.length, store.calls.size)
      }),
      { seed: seed(t), numRuns: 40 },
    )
  })

  test('counts what earlier runs have spent, and a higher one goes on', async () => {
    const store = memoryStore()
    const { llm, ask } = bench()
    const first = await ask(both, { store, cap: 0.008 })
    const before = llm.requests.length
    assert.ok(before > 0 && before < 17, `${before} calls`)
    await ask(both, { store, cap: 0.008, spent: first.spent })
    assert.equal(llm.requests.length, before)
    const last = await ask(both, { store, cap: 1, spent: first.spent })
    assert.deepEqual([llm.requests.length, said(last.performance.given)], [17, golds(both)])
  })

  for (const mode of ['400', 'refusal'] as const)
    test(`keeps the most that a call without reported usage can have cost (${mode}), in later runs too`, async () => {
      const store = memoryStore()
      const { llm, ask } = bench()
      llm.mode = (call) => (call === 2 ? mode : 'ok')
      const { spent, performance } = await ask([shopSplit(4)], { store, limits: { calls_concurrently: 1 } })
      assert.ok(spent - costUsd(performance.usage, PRICE) > 0.004)
      assert.ok(Math.abs(costUsd(store.total(), PRICE) - spent) < 1e-12)
      assert.equal(performance.unreported, mode === '400' ? 0 : 1)
    })
})

describe('a provider', () => {
  test('that is busy is asked again, and waits are no latency', async () => {
    const { llm, ask } = bench()
    llm.retryAfter_ms = 3_000
    llm.mode = (call) => (call % 4 === 0 ? '429' : 'ok')
    const { performance, end } = await ask(both)
    assert.deepEqual([said(performance.given), end], [golds(both), undefined])
    assert.deepEqual([...new Set(performance.latencies_ms)], [100])
  })

  test('that says when to come back is left in peace until then, by every lane', async () => {
    const { llm, ask, clock } = bench()
    llm.retryAfter_ms = 45_000
    const at: number[] = []
    llm.mode = (call) => {
      at.push(clock.elapsed())
      return call === 1 ? '429' : 'ok'
    }
    await ask(both)
    const [first, ...others] = at.toSorted((a, b) => a - b)
    // Two others had set out beside the first; nobody else did before the time was up.
    assert.equal(first, 100)
    assert.ok(
      others.slice(2).every((ms) => ms >= 45_100),
      `${at}`,
    )
  })

  test('that never answers is given up after a few tries, with its remedy', async () => {
    const { llm, ask } = bench()
    llm.mode = '500'
    const { performance, spent } = await ask(both)
    assert.ok(llm.requests.length <= 4 * 3)
    assert.match(performance.failure!, /SL402 .*fake answered 500, \d+ times in a row; what to do: check base_url/)
    assert.ok(performance.given.flat().every((one) => one === undefined))
    assert.equal(spent, 0)
  })

  test('that fails on one item while it answers the others loses that item only, after finitely many tries', async () => {
    const poisonous = shopSplit(200).items[2]!.segments[0]!
    const { llm, ask } = bench()
    let tries = 0
    llm.mode = (call) => {
      const hit = llm.requests[call - 1]!.user.includes(`"${poisonous}"`)
      if (hit) tries++
      return hit ? '500' : 'ok'
    }
    const { performance, end } = await ask([shopSplit(200)], { limits: { backoff_ms: 10, backoff_max_ms: 10 } })
    const expected = shopSplit(200).items.map(({ gold }) => gold[0]!)
    assert.deepEqual([said(performance.given), end], [[expected.with(2, '!rejected')], undefined])
    assert.equal(tries, 4 * 4)
  })

  test('that does not let us in is given up at once', async () => {
    const { llm, ask } = bench()
    llm.mode = '401'
    const { performance } = await ask(both)
    assert.ok(llm.requests.length <= 3)
    assert.match(performance.failure!, /SL401 .*fake answered 401; what to do/)
  })

  test('that refuses every request is misconfigured: nothing of it is counted or remembered', async () => {
    const store = memoryStore()
    const { llm, ask } = bench()
    llm.mode = '400'
    const { performance } = await ask(both, { store })
    assert.ok(llm.requests.length <= 5)
    assert.match(performance.failure!, /SL401 .*every request so far was refused/)
    assert.deepEqual([store.calls.size, performance.given.flat().some((one) => one !== undefined)], [0, false])
    llm.mode = 'ok'
    const again = await ask(both, { store })
    assert.deepEqual(said(again.performance.given), golds(both))
  })

  test('that dies in the middle leaves what it answered', async () => {
    const store = memoryStore()
    const { llm, ask } = bench()
    llm.mode = (call) => (call > 8 ? '500' : 'ok')
    const { performance } = await ask(both, { store })
    assert.equal(performance.given.flat().filter((one) => one !== undefined).length, 8)
    llm.mode = 'ok'
    const before = llm.requests.length
    await ask(both, { store })
    assert.equal(llm.requests.length - before, 9)
  })
})
