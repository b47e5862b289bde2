// The arithmetic of `sluice cost`: every call and every item once, whichever way they are laid out.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { COST_BY, costReport } from '../../../src/core/llm/cost.ts'
import type { EndedItems } from '../../../src/core/llm/cost.ts'
import type { CallRecord } from '../../../src/core/llm/ledger.ts'

const DAY = 86_400_000

function call(over: Partial<CallRecord>): CallRecord {
  return {
    id: 'id',
    task: 'shop',
    state: 'booked',
    at_ms: DAY,
    purse: 'own',
    provider: 'p',
    model: 'm',
    price: 'x',
    inputTokens: 100,
    cachedInputTokens: 10,
    outputTokens: 5,
    costUsd: 1,
    asked: 2,
    aloneUsd: 3,
    items: ['a', 'b'],
    ...over,
  }
}

describe('what the LLM cost', () => {
  test('adds up to the same in every way of laying it out', () => {
    const record = fc.record({
      task: fc.constantFrom('shop', 'pairs'),
      model: fc.constantFrom('m', 'n'),
      state: fc.constantFrom('reserved', 'settled', 'failed', 'booked'),
      at_ms: fc.integer({ min: 0, max: 5 * DAY }),
      inputTokens: fc.nat(1_000),
      costUsd: fc.integer({ min: 0, max: 64 }),
    })
    const item = fc.record({
      task: fc.constantFrom('shop', 'pairs'),
      tier: fc.constantFrom('exact', 'local', 'llm', 'review'),
      day: fc.constantFrom('1970-01-01', '1970-01-02'),
      items: fc.nat(50),
    })
    fc.assert(
      fc.property(fc.array(record), fc.array(item), (given, ended: readonly EndedItems[]) => {
        const calls = given.map((one) => call(one as Partial<CallRecord>))
        const made = calls.filter(({ state }) => state !== 'failed')
        for (const by of COST_BY) {
          const { rows, total } = costReport(by, calls, ended)
          const sum = (pick: (row: (typeof rows)[number]) => number) => rows.reduce((all, row) => all + pick(row), 0)
          assert.equal(total.calls, made.length)
          assert.equal(
            sum((row) => row.calls),
            made.length,
          )
          assert.equal(
            sum((row) => row.usd),
            made.reduce((all, { costUsd }) => all + costUsd, 0),
          )
          assert.equal(
            sum((row) => row.inputTokens),
            total.inputTokens,
          )
          assert.equal(
            total.items,
            ended.reduce((all, { items }) => all + items, 0),
          )
          if (by !== 'model')
            assert.equal(
              sum((row) => row.items),
              total.items,
            )
        }
      }),
    )
  })

  test('by tier stands with the LLM, whose items are only a part', () => {
    const ended = [
      { task: 'shop', tier: 'local', day: '1970-01-02', items: 8 },
      { task: 'shop', tier: 'llm', day: '1970-01-02', items: 2 },
    ]
    const { rows } = costReport('tier', [call({})], ended)
    assert.deepEqual(
      rows.map(({ name, items, usd }) => [name, items, usd]),
      [
        ['llm', 2, 1],
        ['local', 8, 0],
      ],
    )
  })

  test('without Sluice is every item at the mean of those of its task that were asked', () => {
    // Two texts alone: 1.5 each. Item b took a second call, which alone would have cost 1.
    const calls = [call({}), call({ id: 'second', asked: 1, aloneUsd: 1, items: ['b'] })]
    const ended = [{ task: 'shop', tier: 'local', day: '1970-01-02', items: 10 }]
    assert.equal(costReport('task', calls, ended).total.withoutUsd, 20)
  })

  test('without Sluice is unknown while no item of a task was asked', () => {
    const ended = [{ task: 'pairs', tier: 'local', day: '1970-01-02', items: 10 }]
    const { rows, total } = costReport('task', [call({})], ended)
    assert.equal(rows.find(({ name }) => name === 'pairs')!.withoutUsd, undefined)
    assert.equal(total.withoutUsd, undefined)
  })

  test('of equal texts each counts: asked alone, each would have been asked', () => {
    const calls = [call({ asked: 1, aloneUsd: 2, items: ['a', 'b', 'c'] })]
    const ended = [{ task: 'shop', tier: 'llm', day: '1970-01-02', items: 3 }]
    assert.equal(costReport('task', calls, ended).total.withoutUsd, 6)
  })

  test('calls of which nobody knows are counted as such', () => {
    const { total } = costReport('task', [call({}), call({ id: 'x', state: 'reserved' })], [])
    assert.deepEqual([total.calls, total.unknown, total.usd], [2, 1, 2])
  })
})
