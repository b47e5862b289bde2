// Tenants whose text must never leave: through both machines, nothing of theirs reaches the LLM or what is remembered.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { PASS } from '../../src/core/answer.ts'
import type { Item } from '../../src/core/item.ts'
import { localOnly, mustStay } from '../../src/core/local-only.ts'
import type { Task } from '../../src/core/task.ts'
import { parseTemplate } from '../../src/core/template.ts'
import { createClassifyHandler } from '../../src/engine/classify.ts'
import { createFallbackHandler } from '../../src/engine/fallback.ts'
import { createLabelWriter } from '../../src/engine/labels.ts'
import { createOutcomeWriter } from '../../src/engine/outcomes.ts'
import type { InputRecord, OutputRecord } from '../../src/ports/stream.ts'
import type { LlmResult } from '../../src/ports/tier.ts'
import { committed } from '../fakes/committed.ts'
import { fakeClock } from '../fakes/clock.ts'
import { answerOf, plainHash, taskOf } from '../fakes/items.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'

const TOPICS = { results: 'results', fallback: 'fallback', reviews: 'reviews', deadLetters: 'dead-letters' }
const codec = memoryCodec(['results', 'fallback', 'reviews', 'labels', 'calls'])
const TURN = { name: 'turn', over: new Promise<void>(() => {}), asked: false }
const TASK = taskOf({ localOnly: localOnly(parseTemplate('{shop?}'), ['ACME', 'Globex Corp']) })

const record = (value: object, offset: number): InputRecord => ({
  offset: String(offset),
  timestamp_ms: 0,
  key: null,
  value: Buffer.from(JSON.stringify(value)),
  headers: {},
})

/** The rows through classify and what it sends on through the fallback: everything written, asked and remembered. */
async function through(
  rows: readonly object[],
  { sure = false, reader = TASK }: { sure?: boolean; reader?: Task } = {},
) {
  const asked: Item[] = []
  const remembered: Item[] = []
  const events: string[] = []
  const remember = async (items: readonly Item[], answers: readonly unknown[]) =>
    void remembered.push(...items.filter((_, at) => answers[at] !== undefined))
  const shared = {
    codec,
    clock: fakeClock(),
    emit: (name: string) => void events.push(name),
    hash: plainHash,
    remember,
  }
  const classify = createClassifyHandler({
    ...shared,
    task: TASK,
    limits: { items_per_record_max: 10, segment_chars_max: 1_000 },
    tiers: {
      local: {
        answer: async (items) =>
          items.map(() => (sure ? { kind: 'answer', answer: answerOf([0.9, 0.9]), shortlist: [] } : PASS)),
      },
    },
    writer: createOutcomeWriter(TASK, TOPICS, codec),
  })
  const fallback = createFallbackHandler({
    ...shared,
    task: reader,
    known: { answer: async (items) => items.map(() => PASS) },
    askLlm: async (open) => {
      asked.push(...open.map(({ item }) => item))
      const answer = answerOf([], { tier: 'llm', digest: 'prompt' })
      return open.map(({ item }) => ({ kind: 'answered', item, answer, record: {} }) as unknown as LlmResult)
    },
    outcomes: createOutcomeWriter(reader, TOPICS, codec),
    labels: createLabelWriter(reader, 'labels', codec),
    calls: { write: async () => [] },
  })
  const handle = (topic: string, handler: typeof classify, records: readonly InputRecord[]) =>
    records.length === 0 ? [] : committed(handler)({ topic, partition: 0, records }, async () => {})
  const first = await handle('products', classify, rows.map(record))
  const sent = first.filter(({ topic }) => topic === 'fallback')
  const second = await handle(
    'fallback',
    (...given) => fallback(...given, TURN),
    sent.map(({ value }, at) => ({ ...record({}, at), value })),
  )
  return { first, second, asked, remembered, events }
}

const where = (records: readonly OutputRecord[]) => records.map(({ topic }) => topic)

describe('an item of a tenant whose text must not leave', () => {
  const row = { id: 'p1', title: 'secret cheese', shop: ' acme' }

  test('is never asked about: what no local tier is sure of goes to reviews, with the reason', async () => {
    const { second, asked, remembered, events } = await through([row])
    assert.deepEqual([where(second), asked, remembered], [['reviews'], [], []])
    assert.match(String(second[0]!.value), /local_only/)
    assert.ok(events.includes('llm.kept-local'))
  })

  test('is answered by local tiers like any other, and is not remembered: the store may be another machine', async () => {
    const { first, remembered } = await through([row, { ...row, shop: 'other' }], { sure: true })
    assert.deepEqual(where(first), ['results', 'results'])
    assert.deepEqual(
      remembered.map(({ tenant }) => tenant),
      ['other'],
    )
  })

  test('that was sent on before anybody noted tenants stays as well', async () => {
    const plain = { ...TASK }
    delete (plain as { localOnly?: unknown }).localOnly
    const item = { tenant: undefined } as unknown as Item
    assert.equal(mustStay(TASK, item), true)
    assert.equal(mustStay(plain, item), false)
  })

  test('stays where it was put on the list while it waited', async () => {
    const reader = { ...TASK, localOnly: localOnly(parseTemplate('{shop?}'), ['Initech']) }
    const { asked, second } = await through([{ ...row, shop: 'Initech' }], { reader })
    assert.deepEqual([asked, where(second)], [[], ['reviews']])
  })

  test('that does not say whose it is, where it must, is refused', async () => {
    const strict = taskOf({ localOnly: localOnly(parseTemplate('{shop}'), ['ACME']) })
    const handler = createClassifyHandler({
      task: strict,
      codec,
      clock: fakeClock(),
      emit: () => {},
      hash: plainHash,
      limits: { items_per_record_max: 10, segment_chars_max: 1_000 },
      tiers: {},
      writer: createOutcomeWriter(strict, TOPICS, codec),
      remember: async () => {},
    })
    const records = [record({ id: 'p1', title: 'cheese' }, 0)]
    const [refused] = await committed(handler)({ topic: 'products', partition: 0, records }, async () => {})
    assert.deepEqual([refused!.topic, refused!.headers['sluice-reason']], ['dead-letters', 'missing-field'])
  })

  test('a tenant needs a name that can be told from none', () => {
    for (const name of ['', ' ', '\u200b'])
      assert.throws(() => localOnly(parseTemplate('{shop?}'), ['acme', name]), SyntaxError)
  })

  test('whatever the stream: nothing of theirs is asked about or remembered, and every item has its outcome', async () => {
    const shop = fc.constantFrom('acme', 'ACME ', 'Ａcme', 'globex  corp', 'other', '', undefined)
    const rows = fc.array(
      fc.record({ id: fc.stringMatching(/^[a-z]{1,5}$/), title: fc.stringMatching(/^[a-z]{1,9}$/), shop }),
    )
    await fc.assert(
      fc.asyncProperty(rows, fc.boolean(), async (all, sure) => {
        const { first, second, asked, remembered } = await through(all, { sure })
        for (const { tenant } of [...asked, ...remembered]) assert.ok(['other', ''].includes(tenant!), tenant)
        const outcomes = [...first, ...second].filter(({ topic }) => topic === 'results' || topic === 'reviews')
        assert.equal(outcomes.length, all.length)
      }),
      { seed: 3, numRuns: 60 },
    )
  })
})
