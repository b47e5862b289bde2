// What a call to the LLM must go through: no money, no call; no line in the ledger, no call; and what it cost is written down
// as the provider said, or as the most it can have been. Time is faked.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as ledger from '../../src/core/llm/ledger.ts'
import { LlmStopped } from '../../src/tiers/pulse.ts'
import { readRequest } from '../fakes/llm.ts'
import { callRecord } from '../support/calls.ts'
import { openItem } from '../support/llm.ts'
import { shop, world } from '../support/llm-world.ts'
import type { CallRecord } from '../../src/core/llm/ledger.ts'

const { book, itemsShareOf, readCall, callValue, settled, spendingOf } = ledger
const lastOfEach = (records: readonly CallRecord[]) => [...ledger.lastOfEach(records).values()]
const states = (records: readonly CallRecord[]) => records.map(({ id, state }) => `${id} ${state}`)
const tokens = (records: readonly CallRecord[]) =>
  records.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0)

describe('a call', () => {
  test('is written down at the most it can cost before it is made, and at what it cost after', async () => {
    const { ask, llm, books } = world()
    let before = -1
    llm.mode = () => {
      before = books.records.length
      return 'ok'
    }
    await ask(shop(3))
    assert.equal(before, 1)
    const [first, second] = books.records
    assert.deepEqual(states(books.records), ['call-1 reserved', 'call-1 settled'])
    assert.ok(first!.outputTokens === 4_000 && first!.inputTokens > second!.inputTokens)
    assert.ok(first!.costUsd > second!.costUsd && second!.costUsd > 0)
    const { provider, model, asked, price } = second!
    assert.deepEqual([provider, model, asked, price.length], ['fake', 'fake-model', 3, 16])
    assert.equal(llm.requests[0]!.id, 'call-1')
  })

  test('gives its tokens to its items: what is settled is what their records add up to', async () => {
    const { ask, books } = world()
    const results = await ask(shop(45))
    const last = lastOfEach(books.records)
    assert.equal(
      tokens(last),
      results.reduce((sum, { record }) => sum + record.inputTokens + record.outputTokens, 0),
    )
    const booked = book(results)
    assert.deepEqual(booked.map(({ id }) => id).sort(), last.map(({ id }) => id).sort())
    assert.deepEqual(booked.flatMap(({ items }) => items).toSorted(), results.map(({ item }) => item.id).toSorted())
    assert.ok(booked.every(({ state }) => state === 'booked'))
  })

  test('that the provider turned away costs nothing and says so', async () => {
    const { ask, llm, books } = world()
    llm.mode = (call) => (call === 1 ? '429' : 'ok')
    await ask(shop(1))
    assert.deepEqual(states(lastOfEach(books.records)), ['call-1 failed', 'call-2 settled'])
    assert.equal(tokens([lastOfEach(books.records)[0]!]), 0)
  })

  test('of which nobody knows what became of it stands at the most it can have cost', async () => {
    const { ask, llm, clock, books } = world()
    llm.mode = 'hang'
    const caller = new AbortController()
    void clock.sleep(10_000).then(() => caller.abort())
    await assert.rejects(ask(shop(1), caller.signal), LlmStopped)
    assert.deepEqual(states(books.records), ['call-1 reserved'])
    assert.ok(books.records[0]!.costUsd > 0)
  })

  test('is not made while the ledger cannot be written, and is made as soon as it can', async () => {
    const { ask, llm, books, count } = world()
    books.outages = 4
    const results = await ask(shop(3))
    assert.ok(results.every(({ kind }) => kind === 'answered'))
    assert.equal(llm.requests.length, 1)
    assert.equal(count('ledger.failed', { record: 'reserved', detail: 'the fake ledger is away' }), 4)
  })

  test('is not made where its reservation was forgotten before it was written down, and is reserved again', async () => {
    const { ask, llm, books } = world(undefined, { budget: { minute: {}, day: { tokens: 100_000 }, tasks: {} } })
    const { reserve } = books.budget
    let forgotten = 2
    Object.assign(books.budget, {
      reserve: async (...given: Parameters<typeof reserve>) => {
        const said = await reserve(...given)
        return said.kind === 'over' ? said : { ...said, stands: async () => forgotten-- <= 0 }
      },
    })
    const results = await ask(shop(3))
    assert.ok(results.every(({ kind }) => kind === 'answered'))
    assert.deepEqual([llm.requests.length, llm.requests[0]!.id], [1, 'call-3'])
    assert.deepEqual(states(lastOfEach(books.records)), ['call-1 failed', 'call-2 failed', 'call-3 settled'])
    const left = 100_000 - tokens(lastOfEach(books.records))
    assert.equal((await books.budget.reserve('shop', { tokens: left, nanousd: 0 })).kind, 'reserved')
  })

  for (const [what, usage, is] of [
    ['nothing of its usage', { inputTokens: 0, outputTokens: 0 }, { asMuch: true, outputTokens: 4_000 }],
    ['nothing of what it wrote', { inputTokens: 70, outputTokens: 0 }, { asMuch: false, outputTokens: 4_000 }],
    ['both', { inputTokens: 70, outputTokens: 9 }, { asMuch: false, outputTokens: 9 }],
  ] as const)
    test(`whose provider says ${what} counts what it says, and the most where it says nothing`, async () => {
      const { ask, llm, books } = world()
      const { complete } = llm
      Object.assign(llm, {
        complete: async (...given: Parameters<typeof complete>) => {
          const reply = await complete(...given)
          return { ...reply, usage: { ...usage, cachedInputTokens: 0 } }
        },
      })
      await ask(shop(1))
      const [most, last] = books.records
      assert.equal(last!.state, 'settled')
      assert.equal(last!.inputTokens, is.asMuch ? most!.inputTokens : 70)
      assert.equal(last!.outputTokens, is.outputTokens)
    })

  test('whose settlement cannot be written answers its items all the same', async () => {
    const { ask, llm, books, count } = world()
    llm.mode = () => {
      books.outages = 1
      return 'ok'
    }
    const results = await ask(shop(3))
    assert.ok(results.every(({ kind }) => kind === 'answered'))
    assert.equal(count('ledger.failed', { record: 'settled' }), 1)
    assert.deepEqual(states(book(results)), ['call-1 booked'])
  })
})

describe('over budget', () => {
  test('items wait, with a pulse and without a call, until the next window; none is lost', async () => {
    const { ask, llm, clock, beats, books, count } = world(undefined, {
      budget: { minute: { tokens: 12_000 }, day: {}, tasks: {} },
    })
    const items = shop(400)
    const results = await ask(items)
    assert.equal(results.filter(({ kind }) => kind === 'answered').length, items.length)
    const used = tokens(lastOfEach(books.records))
    assert.ok(clock.elapsed() > 60_000 && count('budget.waiting') >= 1 && count('budget.resumed') >= 1)
    assert.equal(llm.requests.length, 20)
    const byMinute = Map.groupBy(lastOfEach(books.records), ({ at_ms }) => Math.floor(at_ms / 60_000))
    for (const calls of byMinute.values()) assert.ok(tokens(calls) <= 12_000)
    assert.ok(byMinute.size >= 2 && used > 12_000)
    const pauses = beats.map((at, index) => at - (beats[index - 1] ?? 0))
    assert.ok(Math.max(...pauses) <= 3_000)
  })

  test('a call that a whole window has no room for is made in parts', async () => {
    const long = Array.from({ length: 40 }, (_, index) => openItem(index, `Food ${index} ${'x'.repeat(500)}`))
    const settings = { minute: { tokens: 12_000 }, day: {}, tasks: {} }
    const { ask, llm, clock, books } = world(undefined, { budget: settings })
    const caller = new AbortController()
    void clock.sleep(3_600_000).then(() => caller.abort())
    const results = await ask(long, caller.signal)
    assert.ok(results.every(({ kind }) => kind === 'answered'))
    assert.equal(
      llm.requests.flatMap((request) => readRequest(request).items).length,
      long.length,
      'each is asked once',
    )
    assert.deepEqual(
      book(results)
        .flatMap(({ items }) => items)
        .toSorted(),
      long.map(({ item }) => item.id).toSorted(),
    )
    const byMinute = Map.groupBy(lastOfEach(books.records), ({ at_ms }) => Math.floor(at_ms / 60_000))
    for (const calls of byMinute.values()) assert.ok(tokens(calls) <= 12_000)
  })

  test('nobody spins: asking again for what cannot be had takes a second or more', async () => {
    const { ask, llm, clock, books } = world(undefined, { budget: { minute: {}, day: { tokens: 100 }, tasks: {} } })
    let asked = 0
    const { reserve } = books.budget
    Object.assign(books.budget, {
      reserve: (...given: Parameters<typeof reserve>) => {
        asked++
        return reserve(...given)
      },
    })
    const caller = new AbortController()
    void clock.sleep(3_600_000).then(() => caller.abort())
    await assert.rejects(ask(shop(1), caller.signal), LlmStopped)
    assert.equal(llm.requests.length, 0)
    assert.equal(books.records.length, 0)
    assert.ok(asked > 1_000 && asked <= 3_601, `${asked}`)
  })

  test('stopping while waiting leaves nothing reserved', async () => {
    const { ask, clock, books } = world(undefined, { budget: { minute: {}, day: { tokens: 10_000 }, tasks: {} } })
    const caller = new AbortController()
    const held = await books.budget.reserve('shop', { tokens: 10_000, nanousd: 0 })
    void clock.sleep(30_000).then(() => caller.abort())
    await assert.rejects(ask(shop(1), caller.signal), LlmStopped)
    assert.ok(held.kind === 'reserved')
    await held.settle({ tokens: 0, nanousd: 0 })
    assert.equal((await books.budget.reserve('shop', { tokens: 10_000, nanousd: 0 })).kind, 'reserved')
  })
})

describe('a record of the ledger', () => {
  const call = callRecord({ purse: 'own' })

  test('reads back as it was written; anything else is none', () => {
    assert.deepEqual(readCall(callValue(call)), call)
    assert.equal(readCall({ ...callValue(call), at: 'now' }), undefined)
    assert.equal(readCall({}), undefined)
  })

  test('counts in the budget as what it stands for', () => {
    assert.deepEqual(spendingOf(call), { task: 'shop', at_ms: 5, tokens: 1_000, nanousd: 5e8 })
  })

  test('knows what its texts would have cost alone: all of the prompt but the other texts, each', () => {
    const price = { input: 1, cached_input: 1, output: 0 }
    const usage = { inputTokens: 1_000_000, cachedInputTokens: 0, outputTokens: 0 }
    assert.equal(settled(call, usage, price, 0).aloneUsd, 4)
    assert.equal(settled(call, usage, price, 1).aloneUsd, 1)
    assert.equal(settled(call, usage, price, 0.5).aloneUsd, 2.5)
    assert.equal(settled({ ...call, asked: 1 }, usage, price, 0.3).aloneUsd, 1)
    const user = 'head\n{"id":"1"}\n{"id":"2"}\n'
    const schema = { name: 'answers', schema: {} }
    const all = 5 + user.length + JSON.stringify(schema).length
    assert.equal(itemsShareOf({ system: '12345', user, schema }), 20 / all)
  })
})
