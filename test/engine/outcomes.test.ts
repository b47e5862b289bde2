// Outcomes as records: topics, keys, headers for any client, values, and what dead letters keep of their records.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { COMMON_HEADERS, DEAD_LETTER_HEADERS, OPTIONAL_HEADERS, OUTCOME_HEADERS } from '../../src/core/headers.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import { createLabelWriter } from '../../src/engine/labels.ts'
import { createOutcomeWriter } from '../../src/engine/outcomes.ts'
import type { Batch, InputRecord, OutputRecord } from '../../src/ports/stream.ts'
import { answerOf, itemOf, sourceOf, taskOf } from '../fakes/items.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'

const TOPICS = { results: 'results', fallback: 'fallback', reviews: 'reviews', deadLetters: 'dead-letters' }
const codec = memoryCodec(['results', 'fallback', 'reviews', 'labels'])
const writer = createOutcomeWriter(taskOf(), TOPICS, codec)
const write = (outcomes: readonly Outcome[], { records }: Batch) =>
  writer.write(outcomes, ({ offset }) => records.find((record) => record.offset === offset))
const TRACE = Buffer.from('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')

function batchOf(...records: Partial<InputRecord>[]): Batch {
  const plain = { timestamp_ms: 0, key: null, value: null, headers: {} }
  const all = records.map((record, index) => ({ ...plain, offset: String(index), ...record }))
  return { topic: 'products', partition: 0, records: all }
}
const MISS = {
  kind: 'below',
  level: 2,
  probability: 0.4,
  threshold: 0.5,
  probabilities: [0.8, 0.4],
  thresholds: [0.75, 0.5],
} as const
const OUTCOMES: readonly Outcome[] = [
  { kind: 'result', item: itemOf(0), answer: answerOf([0.9, 0.8]) },
  {
    kind: 'fallback',
    item: itemOf(1),
    shortlist: [{ label: ['Food', 'Bread'], probability: 0.4 }],
    why: MISS,
  },
  { kind: 'review', item: itemOf(2), shortlist: [], why: 'asked three times' },
  { kind: 'dead-letter', task: 'shop', source: sourceOf(3), index: 0, reason: 'bad-value', detail: 'at byte 7' },
]
const RECORDS = batchOf({}, {}, {}, { key: Buffer.from('k'), value: Buffer.from([0, 255]) })
const texts = ({ headers }: OutputRecord) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
const json = ({ value }: OutputRecord) => JSON.parse(String(value)) as Record<string, unknown>

describe('the records of outcomes', () => {
  test('one record an outcome, in order, each on its topic with its key', async () => {
    const records = await write(OUTCOMES, RECORDS)
    assert.deepEqual(
      records.map(({ topic, key }) => [topic, String(key)]),
      [
        ['results', 'p0'],
        ['fallback', 'h:thing 1'],
        ['reviews', 'products/0/2/0'],
        ['dead-letters', 'k'],
      ],
    )
  })

  test('carry headers that name the item, the outcome, the task, the tier and the digest', async () => {
    const [result, fallback] = (await write(OUTCOMES, RECORDS)).map(texts)
    assert.deepEqual(result, {
      'sluice-item': 'products/0/0/0',
      'sluice-outcome': 'result',
      'sluice-task': 'shop',
      'sluice-tier': 'local',
      'sluice-digest': 'model-1',
      ce_specversion: '1.0',
      ce_type: 'dev.sluice.result',
      ce_source: '/sluice/shop/result',
      ce_id: 'products/0/0/0',
    })
    assert.deepEqual([fallback!['sluice-tier'], fallback!['sluice-digest']], ['none', 'none'])
  })

  test('carry exactly the headers of core/headers', async () => {
    const { records: input } = batchOf({ headers: { traceparent: TRACE } }, {}, {}, { value: long() })
    const records = await writer.write(
      OUTCOMES,
      ({ offset }) => input[Number(offset)],
      () => 'exact:0.1/4',
    )
    const seen = new Set(records.flatMap(({ headers }) => Object.keys(headers)))
    const all = { ...COMMON_HEADERS, ...OUTCOME_HEADERS, ...DEAD_LETTER_HEADERS, ...OPTIONAL_HEADERS }
    assert.deepEqual([...seen].sort(), Object.keys(all).sort())
    for (const { topic, headers } of records) {
      const required = {
        ...COMMON_HEADERS,
        ...OUTCOME_HEADERS,
        ...(topic === 'dead-letters' ? DEAD_LETTER_HEADERS : {}),
      }
      for (const name of Object.keys(required)) assert.ok(name in headers, `${name} on ${topic}`)
    }
  })

  test('the trace of the input record goes through to its outcomes, and to no others', async () => {
    const records = await write(OUTCOMES, batchOf({ headers: { traceparent: TRACE } }, {}, {}, {}))
    assert.deepEqual(
      records.map((record) => texts(record)['traceparent']),
      [TRACE.toString(), undefined, undefined, undefined],
    )
  })

  test('a header of a megabyte that calls itself a trace does not go through', async () => {
    const headers = { traceparent: Buffer.alloc(1_000_000, 'x') }
    const records = await write(OUTCOMES, batchOf({ headers }, {}, {}, { headers }))
    for (const record of records) assert.equal(texts(record)['traceparent'], undefined)
  })

  test('values hold what was decided, and no text of an answered item', async () => {
    const [result, fallback, review] = (await write(OUTCOMES, RECORDS)).slice(0, 3).map(json)
    const source = { topic: 'products', partition: 0, offset: 0, timestamp: 1_800_000_000_000 }
    assert.deepEqual(result, {
      item: 'products/0/0/0',
      task: 'shop',
      entity: 'p0',
      source,
      label: ['Food', 'Bread'],
      probabilities: [0.9, 0.8],
      tier: 'local',
      digest: 'model-1',
      supersedes: null,
      provisional: false,
    })
    assert.deepEqual(fallback!['segments'], [{ name: 'title', text: 'thing 1' }])
    assert.deepEqual(fallback!['why'], MISS)
    assert.equal(review!['why'], 'asked three times')
  })
})

describe('a provisional answer', () => {
  const best = answerOf([0.8, 0.4])
  const unsure: Outcome = { kind: 'fallback', item: itemOf(1), shortlist: [], why: MISS, best }
  const speaking = createOutcomeWriter(taskOf(), TOPICS, codec, { provisional: true })
  const outcomeOf = (record: OutputRecord) => `${record.topic} ${texts(record)['sluice-outcome']}`

  test('is written beside what goes to the fallback, marked, under the key of the answer to come', async () => {
    const records = await speaking.write([OUTCOMES[0]!, unsure, OUTCOMES[2]!], () => undefined)
    assert.deepEqual(records.map(outcomeOf), [
      'results result',
      'fallback fallback',
      'results provisional',
      'reviews review',
    ])
    const [result, fallback, provisional] = records
    assert.equal(provisional!.key, 'p1')
    assert.deepEqual([json(result!)['provisional'], json(provisional!)['provisional']], [false, true])
    assert.deepEqual([json(provisional!)['digest'], json(fallback!)['provisional']], ['model-1', 'model-1'])
    assert.equal(texts(provisional!)['sluice-tier'], 'local')
  })

  test('is not written where nobody answered, nor unless it is asked for', async () => {
    const { best: _, ...unknown } = unsure
    const without = await speaking.write([unknown], () => undefined)
    assert.deepEqual(without.map(outcomeOf), ['fallback fallback'])
    assert.equal(json(without[0]!)['provisional'], null)
    const [silent, ...more] = await write([unsure], batchOf({}, {}))
    assert.deepEqual([more.length, json(silent!)['provisional']], [0, null])
  })

  test('is named by the result that replaces it', async () => {
    const [record] = await write([{ ...OUTCOMES[0]!, supersedes: 'model-1' } as Outcome], RECORDS)
    assert.equal(json(record!)['supersedes'], 'model-1')
  })
})

describe('a dead letter', () => {
  const letter = OUTCOMES[3]!
  const letterOf = async (record: Partial<InputRecord>) =>
    (await write([letter], batchOf({ ...record, offset: '3' })))[0]!

  test('keeps the raw bytes and the key, and says why and where from', async () => {
    const record = await letterOf({ key: Buffer.from([1]), value: Buffer.from([0, 255, 10]) })
    assert.deepEqual([record.key, record.value], [Buffer.from([1]), Buffer.from([0, 255, 10])])
    const { 'sluice-reason': reason, 'sluice-detail': detail, 'sluice-source': source } = texts(record)
    assert.deepEqual([reason, detail, source], ['bad-value', 'at byte 7', 'products/0/3'])
  })

  test('of a tombstone without a key has its source for a key and no value', async () => {
    const record = await letterOf({})
    assert.deepEqual([record.key, record.value], ['products/0/3', null])
  })

  test('of a record that no topic would take keeps the beginning and the length', async () => {
    const record = await letterOf({ value: long(), key: Buffer.alloc(200_000) })
    assert.deepEqual([record.value!.length, texts(record)['sluice-cut']], [1_500_000, '3000000'])
    assert.equal(record.key, 'products/0/3')
  })
})

describe('the records of labels', () => {
  const labels = createLabelWriter(taskOf(), 'labels', codec)
  const record = { model: 'm', inputTokens: 7, outputTokens: 3, costUsd: 0.5 }

  test('say who answered what and at what price, under a key that two tasks do not share', async () => {
    const answer = answerOf([], { tier: 'llm', digest: 'prompt-1' })
    const [written] = await labels.write([{ item: itemOf(0), answer, record } as never])
    assert.equal(written!.key, 'shop/products/0/0/0')
    const { label, by, who, digest, costUsd, segments } = json(written!)
    assert.deepEqual([label, by, who, digest, costUsd], [['Food', 'Bread'], 'llm', 'm', 'prompt-1', 0.5])
    assert.deepEqual(segments, [{ name: 'title', text: 'thing 0' }])
    assert.deepEqual(Object.keys(written!.headers).sort(), Object.keys(COMMON_HEADERS).sort())
  })

  test('nothing answered is nothing written', async () => assert.deepEqual(await labels.write([]), []))
})

function long(): Buffer {
  return Buffer.alloc(3_000_000, 'x')
}
