// `sluice explain` before it asks a broker: what it refuses, item ids, and a page on which no text of a product does harm.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { run } from '../../src/cli/explain.ts'
import { explainPage } from '../../src/cli/explain/page.ts'
import { readItemId, soughtBy, trailOf, writeItemId } from '../../src/cli/explain/trail.ts'
import type { FoundRecord, Search } from '../../src/adapters/kafka/search.ts'
import type { Topic } from '../../src/adapters/config/topics.ts'
import type { TrailDeps } from '../../src/cli/explain/trail.ts'
import type { Explanation } from '../../src/core/explain.ts'
import type { Codec } from '../../src/ports/codec.ts'
import { itemOf, taskOf } from '../fakes/items.ts'
import { memoryCodec } from '../fakes/memory-codec.ts'
import { ROOT } from '../support/deployment.ts'

const config = ['--config', join(ROOT, 'sluice.yaml')]

describe('sluice explain', () => {
  for (const [args, says] of [
    [[], /which item/],
    [[''], /which item/],
    [['a', 'b'], /"b" means nothing here/],
    [['a', '--last', '0'], /--last is a whole number from 1 to 100, not "0"/],
    [['a', '--last', '1.5'], /--last is a whole number from 1 to 100, not "1.5"/],
    [['a', '--since', 'yesterday'], /--since yesterday/],
    [['a', '--task', 'nope'], /no task "nope".*there is taxonomy, relevance/],
    [['a', '--taks', 'x'], /did you mean --task/],
  ] as const)
    test(`${args.join(' ')}: wrong usage, and says what`, async () => {
      await assert.rejects(run([...args, ...config]), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'SL104')
        assert.match(error.message, says)
        return true
      })
    })

  test('an item id is read as it is written; anything else is a key', () => {
    const id = { topic: 'a/b.c', partition: 3, offset: '9007199254740993', index: 12 }
    assert.deepEqual(readItemId(writeItemId(id)), id)
    for (const key of ['p1', 'q17/p3', 'products/0/7', '/0/7/0', 'products/0/7/x', 'products/-1/7/0'])
      assert.equal(readItemId(key), undefined, key)
  })

  test('a page shows texts as letters only, cut', () => {
    const evil = `\u001b]0;owned\u0007${'\u202e'}x\r\n${'y'.repeat(10_000)}`
    const other = { item: evil, label: evil, tier: evil, record: evil }
    const call = {
      id: evil,
      state: evil,
      provider: evil,
      model: evil,
      costUsd: 0,
      inputTokens: 0,
      outputTokens: 0,
      items: 1,
    }
    const step = {
      role: 'classify',
      at_ms: 0,
      record: evil,
      asked: [],
      outcome: evil,
      answer: { label: evil, tier: evil, digest: evil },
      gate: [],
      shortlist: [],
    } as const
    const explanation: Explanation = {
      item: evil,
      task: evil,
      entity: evil,
      steps: [step],
      calls: [call],
      supersedes: [other],
    }
    const input = {
      topic: 'products',
      partition: 0,
      offset: '7',
      timestamp_ms: 0,
      key: null,
      value: null,
      headers: {},
    }
    const trail = { evidence: [], input, items: [{ ...itemOf(7, evil), task: evil }] }
    const page = explainPage(explanation, trail, taskOf())
    assert.doesNotMatch(page.replaceAll('\n', ''), /\p{C}/u)
    assert.ok(page.includes('title: ') && page.length < 8_000, page)
  })

  test('of the topics that are read whole only what speaks of the key or the item is kept', async () => {
    const topicOf = (alias: string): [string, Topic] => [alias, { alias, name: alias, format: 'json' } as Topic]
    const aliases = ['products', 'results', 'fallback', 'reviews', 'labels', 'dead-letters', 'calls']
    const records: FoundRecord[] = []
    const put = (topic: string, headers: FoundRecord['headers'], value: object) =>
      records.push({
        topic,
        partition: 0,
        offset: String(records.length),
        timestamp_ms: 1_000,
        key: null,
        headers,
        value: Buffer.from(JSON.stringify(value)),
      })
    const ENTITY = 'a "quoted" é'
    for (const entity of ['b', ENTITY, 'c'])
      put('fallback', { 'sluice-item': `products/0/${records.length}/0`, 'sluice-task': 'shop' }, { entity })
    for (const item of ['products/0/7/0', 'products/0/1/0']) put('calls', {}, { items: [item] })
    const search: Search = {
      at: async () => undefined,
      async read(wanted, { onRecord }) {
        for (const record of records) if (wanted.some(({ topic }) => topic === record.topic)) onRecord(record)
      },
      close: async () => {},
    }
    const codec = memoryCodec(aliases)
    let read = 0
    const counting: Codec = {
      ...codec,
      decode: (topic, values) => ((read += values.length), codec.decode(topic, values)),
    }
    const deps: TrailDeps = {
      search,
      codec: counting,
      topics: new Map(aliases.map(topicOf)),
      tasks: [taskOf()],
      limits: { items_per_record_max: 10, segment_chars_max: 100 },
      since_ms: 0,
      onProgress: () => {},
    }
    const sought = await soughtBy(deps, ENTITY)
    assert.deepEqual([sought.map(({ id }) => writeItemId(id)), read], [['products/0/1/0'], 1])
    const { evidence } = await trailOf(deps, sought[0]!)
    assert.deepEqual(
      evidence.map(({ kind }) => kind),
      ['fallback', 'calls'],
    )
    assert.equal(read, 3)
  })
})
