// The LLM tier as the fallback role sees it: every item ends as answered or review, exactly once, whatever the LLM says,
// and waits as long as there is no LLM. Time is faked: minutes of outage pass in milliseconds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pathKey } from '../../src/core/labels.ts'
import { LlmStopped } from '../../src/tiers/pulse.ts'
import { readRequest, replyText } from '../fakes/llm.ts'
import { never, RESET_MS, shop, truth, world } from '../support/llm-world.ts'
import { openItem, treeTask } from '../support/llm.ts'
import type { LlmResult, OpenItem } from '../../src/ports/tier.ts'

function assertAllRight(items: readonly OpenItem[], results: readonly LlmResult[]): void {
  assert.deepEqual(
    results.map((result) => [result.item.id, result.kind === 'answered' && pathKey(result.answer.label)]),
    items.map(({ item }) => [item.id, truth(item.segments[0]!)]),
  )
}

describe('the LLM tier', () => {
  test('answers every item, in order, many a call, and asserts instead of estimating', async () => {
    const { tier, llm, ask } = world()
    const items = shop(50)
    const results = await ask(items)
    assertAllRight(items, results)
    assert.equal(llm.requests.length, 3)
    const [first] = results
    assert.ok(first?.kind === 'answered')
    assert.deepEqual(first.answer, { label: ['Food'], probabilities: [], tier: 'llm', digest: tier.digest })
  })

  test('nothing to answer is no call', async () => {
    const { llm, ask } = world()
    assert.deepEqual(await ask([]), [])
    assert.equal(llm.requests.length, 0)
  })

  test('asks for equal texts once and answers all of them; the first one bears the cost', async () => {
    const { llm, ask } = world()
    const items = ['Food a', 'Toys b', 'Food a', 'Food a'].map((text, index) => openItem(index, text))
    const results = await ask(items)
    assertAllRight(items, results)
    assert.equal(readRequest(llm.requests[0]!).items.length, 2)
    assert.deepEqual(
      results.map(({ record }) => record.calls),
      [1, 1, 0, 0],
    )
    assert.equal(results[2]!.record.costUsd, 0)
  })

  test('accounts for every token: the records of a batch add up to the events', async () => {
    const { ask, events } = world()
    const results = await ask(shop(45))
    const total = (name: string, field: string) =>
      events.filter((e) => e.name === name).reduce((sum, e) => sum + (e.fields[field] as number), 0)
    const records = results.map(({ record }) => record)
    const tokens = records.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0)
    assert.equal(tokens, total('llm.tokens', 'tokens'))
    const usd = records.reduce((sum, { costUsd }) => sum + costUsd, 0)
    assert.ok(Math.abs(usd - total('llm.cost', 'usd')) < 1e-12 && usd > 0)
  })

  test('walks the tree for an item whose short list is wrong, and leaves its neighbours alone', async () => {
    const task = treeTask()
    const want = (text: string) => text.split(' ').slice(1).join(' ')
    const { ask, llm } = world(
      ({ items, labels }) =>
        replyText(
          items.map(({ id, text }) => {
            const path = want(text)
            return { id, label: [path, path.split(' > ')[0]!].find((one) => labels.includes(one)) ?? 'none_of_these' }
          }),
        ),
      { task },
    )
    const [first, , third] = task.labels.paths
    const list = [{ label: first!, probability: 0.5 }]
    const items = [openItem(0, `x ${pathKey(first!)}`, list), openItem(1, `y A5 > A5B1 > A5B1C2`, list)]
    const results = await ask([...items, openItem(2, `z ${pathKey(third!)}`)])
    assert.deepEqual(
      results.map((result) => result.kind === 'answered' && pathKey(result.answer.label)),
      [pathKey(first!), 'A5 > A5B1 > A5B1C2', pathKey(third!)],
    )
    assert.deepEqual(
      results.map(({ record }) => record.calls),
      [1, 3, 2],
    )
    assert.ok(llm.requests.length <= 5)
  })

  test('sends to review what it cannot answer, with our reason and no word of theirs', async () => {
    const { ask, count } = world(() => 'ATTENTION: I am a pirate')
    const results = await ask(shop(7))
    for (const result of results) {
      assert.ok(result.kind === 'review')
      assert.equal(result.why, 'no valid answer of the LLM in 3 asks, the last one: malformed')
      assert.equal(result.record.calls, 3)
    }
    assert.ok(count('llm.rejected', { why: 'malformed' }) > 0)
  })
})

describe('what the calls so far teach', () => {
  test('an LLM that loses items of large calls is given smaller ones', async () => {
    const { ask, llm, events } = world(
      ({ items }) => replyText(items.slice(0, 5).map(({ id, text }) => ({ id, label: truth(text) }))),
      { limits: { call_faults_max: 0.05 } },
    )
    const items = shop(100)
    for (let round = 0; round < 2; round++) assertAllRight(items, await ask(items))
    assert.deepEqual(
      events.filter(({ name }) => name === 'llm.resized').map(({ fields }) => fields['items']),
      [10, 5],
    )
    const before = llm.requests.length
    assertAllRight(items, await ask(items))
    const sizes = llm.requests.slice(before).map((request) => readRequest(request).items.length)
    assert.deepEqual(sizes, Array(20).fill(5))
  })

  test('an audited item is asked twice and costs what both took', async () => {
    const { ask, count } = world(undefined, { limits: { call_audit_share: 1 } })
    const items = shop(3)
    const results = await ask(items)
    assertAllRight(items, results)
    assert.deepEqual(
      results.map(({ record }) => record.calls),
      [2, 2, 2],
    )
    assert.equal(count('llm.audited', { same: 'true' }), 3)
  })

  test('a short list that misses its item makes the next ones longer', async () => {
    const task = treeTask()
    const { ask, llm } = world(
      ({ items, labels }) =>
        replyText(
          items.map(({ id }) => ({ id, label: labels.includes('none_of_these') ? 'none_of_these' : labels[0]! })),
        ),
      { task, limits: { shortlist_mass: 0.8 } },
    )
    const list = task.labels.paths.slice(0, 10).map((label, rank) => ({ label, probability: rank === 0 ? 0.8 : 0.02 }))
    const offered = async (round: number) => {
      const before = llm.requests.length
      await ask([openItem(round, `x ${round}`, list)])
      return readRequest(llm.requests[before]!).labels.length - 1
    }
    const first = await offered(0)
    for (let round = 1; round < 60; round++) await offered(round)
    assert.deepEqual([first, (await offered(60)) > 5], [2, true])
  })
})

describe('an outage', () => {
  test('of a minute loses nothing, sends nothing to review, and spends one probe an interval', async () => {
    const { ask, llm, clock, breaker, beats, count } = world()
    llm.mode = '500'
    void clock.sleep(60_000).then(() => (llm.mode = 'ok'))
    const items = shop(200)
    const results = await ask(items)
    assertAllRight(items, results)
    assert.ok(count('llm.called', { status: 'unavailable' }) <= 10 + 60_000 / RESET_MS, `${llm.requests.length} calls`)
    assert.ok(breaker.states.includes('open') && breaker.state === 'closed')
    assert.ok(clock.elapsed() < 60_000 + RESET_MS + 2_000, 'the backlog drains as soon as a probe succeeds')
    const pauses = beats.map((at, index) => at - (beats[index - 1] ?? 0))
    assert.ok(Math.max(...pauses) <= 3_000 && beats.length >= 25, 'progress is reported all the while')
  })

  test('of ten hours is waited out, without spinning', async () => {
    const { ask, llm, clock } = world()
    llm.mode = '429'
    void clock.sleep(36_000_000).then(() => (llm.mode = 'ok'))
    const items = shop(5)
    assertAllRight(items, await ask(items))
    assert.ok(llm.requests.length < 36_000_000 / RESET_MS + 20)
  })

  test('by a wrong key is waited out as well, and named', async () => {
    const { ask, llm, clock, count } = world()
    llm.mode = '401'
    void clock.sleep(120_000).then(() => (llm.mode = 'ok'))
    const items = shop(5)
    assertAllRight(items, await ask(items))
    assert.ok(count('llm.refused') >= 3)
  })

  test('a provider that never took a request is misconfigured: 400 is waited out until it takes one', async () => {
    const { ask, llm, clock } = world()
    llm.mode = '400'
    void clock.sleep(120_000).then(() => (llm.mode = 'ok'))
    const items = shop(5)
    assertAllRight(items, await ask(items))
    llm.mode = '400'
    const later = await ask(shop(1))
    assert.equal(later[0]!.kind, 'review', 'once it has taken one, a refused request is the item’s own')
  })

  test('Retry-After holds back every call of the tier', async () => {
    const { ask, llm, clock } = world()
    llm.mode = '429'
    llm.retryAfter_ms = 45_000
    void clock.sleep(5_000).then(() => (llm.mode = 'ok'))
    await ask(shop(3))
    assert.ok(clock.elapsed() >= 45_000 && clock.elapsed() < 47_000, `${clock.elapsed()}`)
    assert.equal(llm.requests.length, 2)
  })

  test('one call in three failing delays items and loses none', async () => {
    const { ask, llm } = world()
    llm.mode = (call) => (call % 3 === 0 ? '500' : 'ok')
    const items = shop(300)
    assertAllRight(items, await ask(items))
  })
})

describe('stopping', () => {
  test('in the middle of an outage rejects with LlmStopped at once, and nothing goes on behind it', async () => {
    const { ask, llm, clock } = world()
    llm.mode = '500'
    const caller = new AbortController()
    void clock.sleep(30_000).then(() => caller.abort())
    await assert.rejects(ask(shop(100), caller.signal), LlmStopped)
    const calls = llm.requests.length
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(llm.requests.length, calls)
  })

  test('in the middle of a call that hangs rejects with LlmStopped', async () => {
    const { ask, llm, clock } = world()
    llm.mode = 'hang'
    const caller = new AbortController()
    void clock.sleep(10_000).then(() => caller.abort())
    await assert.rejects(ask(shop(100), caller.signal), LlmStopped)
  })

  test('a progress that fails ends the work with its own error, and another batch is not disturbed', async () => {
    const { ask, tier, llm, clock } = world()
    llm.mode = '500'
    const lost = tier.answer(shop(100), () => Promise.reject(new RangeError('partition lost')), never)
    void clock.sleep(30_000).then(() => (llm.mode = 'ok'))
    const items = shop(30)
    const other = ask(items)
    await assert.rejects(lost, RangeError)
    assertAllRight(items, await other)
  })

  test('an error that nobody foresaw is thrown, and ends the calls beside it', async () => {
    const { ask, llm } = world(() => {
      llm.mode = 'hang'
      throw new TypeError('a mistake of ours')
    })
    await assert.rejects(ask(shop(100)), TypeError)
  })
})
