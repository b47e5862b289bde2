// The classify machine on fakes: decode → cascade → outcomes, one for each item and in input order, whatever comes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { PASS } from '../../src/core/answer.ts'
import type { Answer, Reply } from '../../src/core/answer.ts'
import type { Item, Tier } from '../../src/core/item.ts'
import { createClassifyHandler } from '../../src/engine/classify.ts'
import { createOutcomeWriter } from '../../src/engine/outcomes.ts'
import type { Batch } from '../../src/ports/stream.ts'
import type { TierPort } from '../../src/ports/tier.ts'
import { fakeClock } from '../fakes/clock.ts'
import { answerOf, pairTask, plainHash, taskOf } from '../fakes/items.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'
import { committed } from '../fakes/committed.ts'

const TOPICS = { results: 'results', fallback: 'fallback', reviews: 'reviews', deadLetters: 'dead-letters' }
const LIMITS = { items_per_record_max: 5, segment_chars_max: 100 }
const progress = async () => {}

function batchOf(values: readonly unknown[]): Batch {
  const records = values.map((value, index) => ({
    offset: String(index),
    timestamp_ms: 1_800_000_000_000,
    key: null,
    value: value === null ? null : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    headers: {},
  }))
  return { topic: 'products', partition: 0, records }
}

/** Sure of texts with "sure", unsure of the rest. */
const local: TierPort = {
  answer: async (items) => items.map((item) => replyTo(item)),
}
function replyTo({ segments }: Item): Reply {
  const probabilities = segments.join(' ').includes('sure') ? [0.9, 0.9] : [0.9, 0.1]
  return { kind: 'answer', answer: answerOf(probabilities), shortlist: [] }
}

function engine(task = taskOf(), tiers: Partial<Record<Tier, TierPort>> = { local }) {
  const codec = memoryCodec(['results', 'fallback'])
  const events: [name: string, fields: Record<string, unknown>][] = []
  const remembered: (readonly [string, Answer | undefined])[] = []
  const clock = fakeClock()
  const handler = createClassifyHandler({
    task,
    codec,
    clock,
    emit: (name, fields) => void events.push([name, fields]),
    hash: plainHash,
    limits: LIMITS,
    tiers,
    writer: createOutcomeWriter(task, TOPICS, codec),
    remember: async (items, answers) =>
      void remembered.push(...items.map((it, at) => [it.entity, answers[at]] as const)),
  })
  return { handler: committed(handler), codec, events, remembered, clock }
}
const shop = (id: string, title: string) => ({ id, title })

describe('the classify machine', () => {
  test('sure items become results, unsure ones go to the fallback, bad ones to dead letters: in input order', async () => {
    const { handler } = engine()
    const records = await handler(
      batchOf([shop('a', 'sure'), '{', shop('b', 'perhaps'), null, shop('c', 'sure'), { id: 'd' }]),
      progress,
    )
    assert.deepEqual(
      records.map(({ topic, headers }) => [topic, String(headers['sluice-item'])]),
      [
        ['results', 'products/0/0/0'],
        ['dead-letters', 'products/0/1/0'],
        ['fallback', 'products/0/2/0'],
        ['dead-letters', 'products/0/3/0'],
        ['results', 'products/0/4/0'],
        ['dead-letters', 'products/0/5/0'],
      ],
    )
  })

  test('tiers are asked in the order of the task, each about what is open; one that is absent is passed over', async () => {
    const asked: string[] = []
    const tier = (name: string, reply: (item: Item) => Reply): TierPort => ({
      answer: async (items) => {
        asked.push(`${name}: ${items.map(({ entity }) => entity).join()}`)
        return items.map(reply)
      },
    })
    const exact = tier('exact', ({ entity }) => (entity === 'a' ? replyTo({ segments: ['sure'] } as never) : PASS))
    const { handler } = engine(taskOf({ order: ['similar', 'exact', 'local'] }), {
      exact,
      local: tier('local', replyTo),
    })
    await handler(batchOf([shop('a', 'x'), shop('b', 'sure')]), progress)
    assert.deepEqual(asked, ['exact: a,b', 'local: b'])
  })

  test('without any tier everything that can be read goes to the fallback', async () => {
    const { handler } = engine(taskOf(), {})
    const records = await handler(batchOf([shop('a', 'sure')]), progress)
    assert.deepEqual(
      records.map(({ topic }) => topic),
      ['fallback'],
    )
  })

  test('answers that were sure are remembered, and nothing else', async () => {
    const { handler, remembered } = engine()
    await handler(batchOf([shop('a', 'sure'), shop('b', 'perhaps'), '{']), progress)
    assert.deepEqual(
      remembered.map(([entity, answer]) => [entity, answer?.tier]),
      [
        ['a', 'local'],
        ['b', undefined],
      ],
    )
  })

  test('a registry that is away is waited for, with progress; nothing is refused meanwhile', async () => {
    const { handler, codec, events, clock } = engine()
    codec.outages = 5
    let beats = 0
    const records = await handler(batchOf([shop('a', 'sure')]), async () => void beats++)
    assert.deepEqual([records.map(({ topic }) => topic), beats], [['results'], 5])
    assert.equal(events.filter(([name]) => name === 'registry.unreachable').length, 5)
    assert.ok(clock.elapsed() >= 5_000)
  })

  test('a partition that is lost while it waits ends the work', async () => {
    const { handler, codec } = engine()
    codec.outages = Infinity
    await assert.rejects(
      handler(batchOf([shop('a', 'sure')]), () => Promise.reject(new Error('lost'))),
      /lost/,
    )
  })

  test('counts each outcome once, with no text in any event', async () => {
    const { handler, events } = engine()
    await handler(batchOf([shop('secret-id', 'sure secret'), shop('b', 'perhaps secret'), '{"secret']), progress)
    const counted = events.filter(([name]) => name === 'outcome.decided').map(([, fields]) => fields)
    assert.deepEqual(counted, [
      { task: 'shop', outcome: 'result', tier: 'local', items: 1 },
      { task: 'shop', outcome: 'fallback', tier: 'none', items: 1 },
      { task: 'shop', outcome: 'dead-letter', tier: 'none', items: 1 },
    ])
    assert.ok(!JSON.stringify(events).includes('secret'))
  })

  const value = fc.oneof(
    fc.record({ id: fc.string({ minLength: 1 }), title: fc.constantFrom('sure', 'perhaps', '', ' ') }),
    fc.record({
      id: fc.string({ minLength: 1 }),
      query: fc.constant('q'),
      candidates: fc.array(
        fc.oneof(fc.constant(null), fc.record({ id: fc.nat(), title: fc.constantFrom('sure', 'no') })),
        {
          maxLength: 7,
        },
      ),
    }),
    fc.constantFrom(null, '', '{', '[]', '1'),
    fc.json(),
  )

  test('for any batch: exactly one outcome for each item id, in input order, every record accounted for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 12 }), fc.boolean(), async (values, pairs) => {
        const { handler } = engine(pairs ? pairTask() : taskOf())
        const records = await handler(batchOf(values), progress)
        const ids = records.map(({ headers }) => String(headers['sluice-item']))
        assert.equal(new Set(ids).size, ids.length)
        const places = ids.map((id) => id.split('/').slice(2).map(Number) as [number, number])
        assert.deepEqual(
          places,
          places.toSorted(([a, i], [b, j]) => a - b || i - j),
        )
        assert.deepEqual(
          [...new Set(places.map(([offset]) => offset))],
          values.map((_, offset) => offset),
        )
      }),
      { numRuns: 60 },
    )
  })
})
