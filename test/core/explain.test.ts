// An item's way put together from records: what each says, in which order, and what counts in its place.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { explain } from '../../src/core/explain.ts'
import { readWay, writeWay } from '../../src/core/way.ts'
import type { Evidence } from '../../src/core/explain.ts'

const ITEM = 'products/0/7/0'
const source = (offset: number, changes: object = {}) => ({
  topic: 'products',
  partition: 0,
  offset,
  timestamp: 1_000 + offset,
  ...changes,
})
let written = 0

function record(
  kind: string,
  changes: { item?: string; at?: number; headers?: object; value?: object } = {},
): Evidence {
  const { item = ITEM, at = 5_000, headers = {}, value = {} } = changes
  const outcome = { results: 'result', fallback: 'fallback', reviews: 'review', 'dead-letters': 'dead-letter' }[kind]
  return {
    kind,
    topic: kind,
    partition: 0,
    offset: String(written++),
    timestamp_ms: at,
    headers: {
      'sluice-item': item,
      'sluice-task': 'shop',
      ...(outcome ? { 'sluice-outcome': outcome } : {}),
      ...(headers as object),
    },
    value: { entity: 'p1', source: source(7), ...value },
  }
}

const result = (tier: string, changes: Parameters<typeof record>[1] = {}) =>
  record('results', {
    ...changes,
    value: { label: ['Food', 'Bread'], tier, digest: 'd', probabilities: [], ...changes.value },
  })
const only = (found: readonly Evidence[]) => {
  const all = explain(ITEM, found)
  assert.equal(all.length, 1)
  return all[0]!
}

describe('the way of an item', () => {
  test('is told in the order in which it was written, with the tiers and their times', () => {
    const why = {
      kind: 'below',
      level: 2,
      probability: 0.4,
      threshold: 0.5,
      probabilities: [0.9, 0.4],
      thresholds: [0.75, 0.5],
    }
    const { steps, entity } = only([
      result('llm', { at: 9_000, headers: { 'sluice-way': 'known:1.5/8 llm:900.0/4' } }),
      record('fallback', { headers: { 'sluice-way': 'exact:0.2/500 local:3.4/90' }, value: { why } }),
    ])
    assert.equal(entity, 'p1')
    assert.deepEqual(
      steps.map(({ role, outcome, asked }) => [role, outcome, asked.map(({ tier }) => tier)]),
      [
        ['classify', 'fallback', ['exact', 'local']],
        ['fallback', 'result', ['known', 'llm']],
      ],
    )
    assert.deepEqual(steps[0]!.gate, [
      { level: 1, probability: 0.9, threshold: 0.75, cleared: true },
      { level: 2, probability: 0.4, threshold: 0.5, cleared: false },
    ])
    assert.deepEqual(steps[1]!.answer, { label: 'Food > Bread', tier: 'llm', digest: 'd' })
  })

  test('of before there were ways is told as far as it is known', () => {
    const why = { kind: 'below', level: 2, probability: 0.4, threshold: 0.5 }
    const { steps } = only([record('fallback', { value: { why } }), result('llm', { at: 9_000 })])
    assert.deepEqual(
      steps.map(({ role, asked }) => [role, asked]),
      [
        ['classify', []],
        ['fallback', []],
      ],
    )
    assert.deepEqual(steps[0]!.gate, [{ level: 2, probability: 0.4, threshold: 0.5, cleared: false }])
  })

  test('of a local answer has what its levels had', () => {
    const { steps } = only([result('local', { value: { probabilities: [0.9, 0.8] } })])
    assert.deepEqual(
      [steps[0]!.role, steps[0]!.gate],
      [
        'classify',
        [
          { level: 1, probability: 0.9 },
          { level: 2, probability: 0.8 },
        ],
      ],
    )
  })

  test('has the label that counts: the last one of its key', () => {
    const label = (by: string, at: number) =>
      record('labels', { at, value: { by, who: 'm', digest: 'd', inputTokens: 1, outputTokens: 1, costUsd: 0 } })
    const { paid } = only([result('llm'), label('llm', 9_000), label('human', 10_000)])
    assert.equal(paid?.by, 'human')
  })

  test('names the reason of a review and of a refusal', () => {
    const why = (found: Evidence) => only([found]).steps[0]!.why
    assert.equal(why(record('reviews', { value: { why: 'no label fits' } })), 'no label fits')
    const headers = { 'sluice-reason': 'bad-value', 'sluice-detail': 'at byte 7' }
    assert.equal(why(record('dead-letters', { headers })), 'bad-value: at byte 7')
  })

  test('has its provisional answer, which the final one supersedes', () => {
    const provisional = result('local', {
      headers: { 'sluice-outcome': 'provisional' },
      value: { probabilities: [0.6, 0.3] },
    })
    const { steps, supersedes } = only([record('fallback'), provisional, result('llm', { at: 9_000 })])
    assert.deepEqual(
      steps.map(({ role, outcome, answer }) => [role, outcome, answer?.tier]),
      [
        ['classify', 'fallback', undefined],
        ['classify', 'provisional', 'local'],
        ['fallback', 'result', 'llm'],
      ],
    )
    assert.deepEqual(
      supersedes.map(({ tier }) => tier),
      ['local'],
    )
  })

  test('is told apart by task', () => {
    const other = result('exact', { headers: { 'sluice-task': 'other' } })
    assert.deepEqual(
      explain(ITEM, [result('local'), other]).map(({ task }) => task),
      ['other', 'shop'],
    )
  })

  test('counts the calls that ended with it, each in its last state', () => {
    const call = (state: string, items: readonly string[], costUsd: number) =>
      record('calls', {
        item: '',
        value: {
          id: 'c1',
          task: 'shop',
          state,
          at: 1,
          purse: 'shared',
          provider: 'p',
          model: 'm',
          price: '',
          inputTokens: 10,
          cachedInputTokens: 0,
          outputTokens: 2,
          costUsd,
          asked: 2,
          aloneUsd: 0,
          items,
        },
      })
    const { calls } = only([
      result('llm'),
      call('settled', [], 0.5),
      call('booked', [ITEM, 'products/0/8/0'], 0.2),
      call('booked', ['x'], 9),
    ])
    assert.deepEqual(calls, [
      {
        id: 'c1',
        state: 'booked',
        provider: 'p',
        model: 'm',
        costUsd: 0.2,
        inputTokens: 10,
        outputTokens: 2,
        items: 2,
      },
    ])
  })
})

describe('what counts in its place', () => {
  const at = (offset: number, item = `products/0/${offset}/0`) =>
    result('local', { item, value: { source: source(offset) } })

  test('is the result of the latest source, whatever came last', () => {
    const later = at(9)
    const { supersededBy, supersedes } = only([at(7), later, at(3)])
    assert.deepEqual([supersededBy?.item, supersedes.map(({ item }) => item)], ['products/0/9/0', ['products/0/3/0']])
  })

  test('is nothing where it is the latest itself, or where others are of other entities or tasks', () => {
    const stranger = result('local', { item: 'products/0/9/0', value: { source: source(9), entity: 'p2' } })
    const otherTask = result('local', {
      item: 'products/0/9/0',
      headers: { 'sluice-task': 'x' },
      value: { source: source(9) },
    })
    const { supersededBy, supersedes } = only([at(7), stranger, otherTask])
    assert.deepEqual([supersededBy, supersedes], [undefined, []])
  })

  test('of two answers to the same item the later one counts', () => {
    const { supersedes } = only([result('llm', { at: 9_000 }), result('local', { at: 8_000 })])
    assert.deepEqual(
      supersedes.map(({ tier }) => tier),
      ['local'],
    )
  })

  test('whatever is found, it is explained and never thrown', () => {
    const part = fc.oneof(fc.anything(), fc.constantFrom('p1', ITEM, 'below', [], [0.5], { kind: 'below' }))
    const value = fc.dictionary(
      fc.constantFrom('entity', 'source', 'label', 'tier', 'why', 'probabilities', 'shortlist', 'items', 'id', 'task'),
      part,
    )
    const kind = fc.constantFrom('results', 'fallback', 'reviews', 'labels', 'dead-letters', 'calls')
    fc.assert(
      fc.property(
        fc.array(fc.tuple(kind, value), { maxLength: 4 }),
        (all) =>
          void explain(
            ITEM,
            all.map(([name, it]) => record(name, { value: it })),
          ),
      ),
      { seed: 4 },
    )
  })
})

describe('the header of a way', () => {
  test('reads back as it was written', () => {
    const step = fc.record({
      tier: fc.constantFrom('exact', 'similar', 'local', 'known', 'llm'),
      took_ms: fc.nat({ max: 10_000_000 }).map((tenths) => tenths / 10),
      items: fc.nat({ max: 5_000 }),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (way) =>
        assert.deepEqual(
          readWay(writeWay(way)),
          way.map((it) => ({ ...it })),
        ),
      ),
    )
  })

  test('that is none is no way', () => {
    for (const text of ['', 'exact', 'exact:1/2', 'exact:1.0/2 \u001b', 'x'.repeat(100_000), 'exact:1.0/-1'])
      assert.deepEqual(readWay(text), [])
  })
})
