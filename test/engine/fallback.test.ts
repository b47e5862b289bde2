// The fallback machine on fakes: what classify wrote is read back, the cache answers what it knows, the LLM the rest.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { PASS } from '../../src/core/answer.ts'
import type { Answer } from '../../src/core/answer.ts'
import type { Item } from '../../src/core/item.ts'
import { allOf } from '../../src/engine/all-of.ts'
import { readFallback } from '../../src/engine/fallback-record.ts'
import { createFallbackHandler } from '../../src/engine/fallback.ts'
import type { LlmResult } from '../../src/ports/tier.ts'
import { createCallWriter } from '../../src/engine/calls.ts'
import { createLabelWriter } from '../../src/engine/labels.ts'
import { createOutcomeWriter } from '../../src/engine/outcomes.ts'
import type { Batch, Handler } from '../../src/ports/stream.ts'
import { fakeClock } from '../fakes/clock.ts'
import { answerOf, itemOf, plainHash, taskOf } from '../fakes/items.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'
import { pathIndex } from '../../src/core/labels.ts'
import { committed } from '../fakes/committed.ts'

const TOPICS = { results: 'results', fallback: 'fallback', reviews: 'reviews', deadLetters: 'dead-letters' }
const codec = memoryCodec(['results', 'fallback', 'reviews', 'labels', 'calls'])
const progress = async () => {}
const TURN = { name: 'turn', over: new Promise<void>(() => {}), asked: false }
const RECORD = { model: 'm', inputTokens: 1, outputTokens: 1, costUsd: 0 } as never

const KNOWN = pathIndex(taskOf().labels)

/** What the classify role writes of these items, as the fallback role gets it. */
async function sent(items: readonly Item[]): Promise<Batch> {
  const outcomes = items.map((item) => {
    return {
      kind: 'fallback',
      item,
      shortlist: [{ label: ['Food', 'Bread'], probability: 0.4 }],
      why: { kind: 'no-answer' },
    } as const
  })
  const written = await createOutcomeWriter(taskOf(), TOPICS, codec).write(outcomes, () => undefined)
  return batchOf(written.map(({ value }) => value))
}
function batchOf(values: readonly (Buffer | null)[]): Batch {
  const records = values.map((value, at) => ({ offset: String(at), timestamp_ms: 0, key: null, value, headers: {} }))
  return { topic: 'fallback', partition: 0, records }
}

function engine(llm: (item: Item) => Partial<LlmResult>, known: (item: Item) => Answer | undefined = () => undefined) {
  const task = taskOf()
  const asked: string[][] = []
  const remembered: (readonly [string, string | undefined])[] = []
  const handler = createFallbackHandler({
    task,
    codec,
    clock: fakeClock(),
    emit: () => {},
    hash: plainHash,
    known: {
      answer: async (items) =>
        items.map((item) => {
          const answer = known(item)
          return answer ? { kind: 'answer', answer, shortlist: [] } : PASS
        }),
    },
    askLlm: async (open) => {
      asked.push(open.map(({ item }) => item.entity))
      return open.map(({ item }) => ({ item, record: RECORD, ...llm(item) }) as LlmResult)
    },
    remember: async (items, answers) =>
      void remembered.push(...items.map((it, at) => [it.entity, answers[at]?.tier] as const)),
    outcomes: createOutcomeWriter(task, TOPICS, codec),
    labels: createLabelWriter(task, 'labels', codec),
    calls: createCallWriter('calls', codec),
  })
  const inTurn: Handler = (...given) => handler(...given, TURN)
  return { handler: committed(inTurn), uncommitted: inTurn, asked, remembered }
}
const answered = () => ({ kind: 'answered', answer: answerOf([], { tier: 'llm', digest: 'prompt' }) }) as const
const review = () => ({ kind: 'review', shortlist: [], why: 'refused' }) as const
const where = (records: Awaited<ReturnType<Handler>>) =>
  records.map(({ topic, headers }) => `${topic} ${String(headers['sluice-item'])}`)

describe('the fallback machine', () => {
  test('answers of the LLM become results with a label beside them; what it gave up becomes a review', async () => {
    const { handler, remembered } = engine(({ entity }) => (entity === 'p1' ? review() : answered()))
    const records = await handler(await sent([itemOf(0), itemOf(1), itemOf(2)]), progress)
    assert.deepEqual(where(records), [
      'results products/0/0/0',
      'reviews products/0/1/0',
      'results products/0/2/0',
      'labels products/0/0/0',
      'labels products/0/2/0',
    ])
    assert.deepEqual(remembered, [
      ['p0', 'llm'],
      ['p1', undefined],
      ['p2', 'llm'],
    ])
  })

  test('a provisional answer is replaced by what comes after it, whoever says it', async () => {
    const { handler } = engine(answered, ({ entity }) => (entity === 'p0' ? answerOf([]) : undefined))
    const outcomes = [itemOf(0), itemOf(1)].map((item) => {
      const best = answerOf([0.4, 0.2], { digest: 'model-7' })
      return { kind: 'fallback', item, shortlist: [], why: { kind: 'no-answer' }, best } as const
    })
    const writer = createOutcomeWriter(taskOf(), TOPICS, codec, { provisional: true })
    const written = await writer.write(outcomes, () => undefined)
    const waiting = written.filter(({ topic }) => topic === 'fallback')
    const records = await handler(batchOf(waiting.map(({ value }) => value)), progress)
    const results = records.filter(({ topic }) => topic === 'results')
    assert.deepEqual(
      results.map(({ value }) => (JSON.parse(String(value)) as { supersedes: string }).supersedes),
      ['model-7', 'model-7'],
    )
  })

  test('what the LLM said is remembered only once it is committed: else its labels could be lost', async () => {
    const { uncommitted, remembered } = engine(answered)
    const after: (() => Promise<void>)[] = []
    await uncommitted(await sent([itemOf(0)]), progress, (work) => after.push(work))
    assert.deepEqual(remembered, [])
    for (const work of after) await work()
    assert.deepEqual(remembered, [['p0', 'llm']])
  })

  test('what the cache knows by now is not asked again and makes no label', async () => {
    const { handler, asked } = engine(answered, ({ entity }) => (entity === 'p0' ? answerOf([]) : undefined))
    const records = await handler(await sent([itemOf(0), itemOf(1)]), progress)
    assert.deepEqual(asked, [['p1']])
    assert.deepEqual(where(records), ['results products/0/0/0', 'results products/0/1/0', 'labels products/0/1/0'])
  })

  test('when the cache knows all, the LLM is not asked at all', async () => {
    const { handler, asked } = engine(answered, () => answerOf([]))
    await handler(await sent([itemOf(0)]), progress)
    assert.deepEqual(asked, [])
  })

  test('what is no fallback record is a dead letter of the fallback topic; its neighbours are answered', async () => {
    const { handler } = engine(answered)
    const good = (await sent([itemOf(0)])).records[0]!.value
    const foreign = Buffer.from(String(good).replace('"task":"shop"', '"task":"other"'))
    const records = await handler(batchOf([null, Buffer.from('{'), foreign, good]), progress)
    assert.deepEqual(where(records), [
      'dead-letters fallback/0/0/0',
      'dead-letters fallback/0/1/0',
      'dead-letters fallback/0/2/0',
      'results products/0/0/0',
      'labels products/0/0/0',
    ])
    assert.deepEqual(
      records.slice(0, 3).map(({ headers }) => headers['sluice-reason']),
      ['tombstone', 'bad-value', 'bad-item'],
    )
  })
})

describe('a fallback record', () => {
  test('reads back as the item that was written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
        fc.nat(),
        async (title, offset) => {
          const item = { ...itemOf(offset, title), textHash: plainHash([title])! }
          const value = JSON.parse(String((await sent([item])).records[0]!.value)) as unknown
          assert.deepEqual(readFallback(taskOf(), value, plainHash, KNOWN), {
            item,
            shortlist: [{ label: ['Food', 'Bread'], probability: 0.4 }],
          })
        },
      ),
    )
  })

  test('any value is read or refused, never thrown', () => {
    const part = fc.oneof(
      fc.anything(),
      fc.constantFrom('shop', [], [{ name: 'title', text: 'x' }], [null], { topic: 't' }),
    )
    const value = fc.record({ item: part, task: part, entity: part, segments: part, shortlist: part, source: part })
    fc.assert(fc.property(fc.oneof(fc.anything(), value), (it) => void readFallback(taskOf(), it, plainHash, KNOWN)))
  })
})

describe('several running things', () => {
  function part() {
    const done = Promise.withResolvers<void>()
    let drained = 0
    return {
      done,
      drained: () => drained,
      run: () => done.promise,
      drain: async () => {
        drained++
        done.resolve()
      },
    }
  }

  test('end when all have ended', async () => {
    const parts = [part(), part()]
    const running = allOf(parts).run()
    parts[0]!.done.resolve()
    assert.equal(await Promise.race([running, 'still running']), 'still running')
    parts[1]!.done.resolve()
    await running
  })

  test('drain together', async () => {
    const parts = [part(), part()]
    const whole = allOf(parts)
    const running = whole.run()
    await whole.drain()
    await running
    assert.deepEqual(
      parts.map((it) => it.drained()),
      [1, 1],
    )
  })

  test('when one fails the others drain, and its failure is that of all', async () => {
    const parts = [part(), part(), part()]
    const running = allOf(parts).run()
    parts[1]!.done.reject(new Error('the first'))
    await assert.rejects(running, /the first/)
    assert.deepEqual(
      parts.map((it) => it.drained() > 0),
      [true, true, true],
    )
  })
})
