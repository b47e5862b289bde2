// The exact tier: what it gives back, to whom, and what it refuses to believe.
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { memoryCache } from '../../src/adapters/memory/cache.ts'
import type { Answer } from '../../src/core/answer.ts'
import type { Item } from '../../src/core/item.ts'
import { labelSet } from '../../src/core/labels.ts'
import type { Task } from '../../src/core/task.ts'
import { parseTemplate } from '../../src/core/template.ts'
import { normalise } from '../../src/core/text/normalise.ts'
import type { Cache, CacheEntry } from '../../src/ports/cache.ts'
import type { Emit } from '../../src/ports/events.ts'
import { exactTier, textHash } from '../../src/tiers/exact.ts'
import { PROMPT } from '../support/prompt.ts'
import { SIMILAR } from '../support/similar.ts'

const LIMITS = { entries_max: 1_000, bytes_max: 1_000_000, ttl_s: 60 }

const TASK: Task = {
  name: 'taxonomy',
  topic: 'products',
  each: undefined,
  entity: parseTemplate('{id}'),
  segments: [{ name: 'title', text: parseTemplate('{title}') }],
  labels: labelSet([
    ['Dairy', 'Milk'],
    ['Dairy', 'Cheese'],
    ['Bakery', 'Bread'],
  ]),
  labelsDigest: 'labels:1',
  gate: { thresholds: [0.75, 0.55] },
  order: ['exact', 'local'],
  similar: SIMILAR,
  instruction: 'Sort products.',
  ...PROMPT,
}

const LLM: Answer = { label: ['Dairy', 'Milk'], probabilities: [], tier: 'llm', digest: 'llm:abc' }
const LOCAL: Answer = {
  label: ['Bakery', 'Bread'],
  probabilities: [0.91, 0.8765432109],
  tier: 'local',
  digest: 'model:1',
}

/** Keeps what a remote cache would: answers only when waited for. `onlyKey` is the key last written. */
function remote(): Cache & { readonly kept: Map<string, string>; asked: number } {
  const kept = new Map<string, string>()
  return {
    kept,
    asked: 0,
    peek: () => undefined,
    async get(keys) {
      this.asked += keys.length
      return keys.map((key) => kept.get(key))
    },
    async set(entries: readonly CacheEntry[]) {
      for (const { key, value } of entries) kept.set(key, value)
    },
    async close() {},
  }
}

let asserted = remote()
let estimated = memoryCache(LIMITS)
let rejected = 0
const emit: Emit = (name, fields) => {
  if (name === 'cache.rejected') rejected += Number(fields['entries'])
}

beforeEach(() => {
  asserted = remote()
  estimated = memoryCache(LIMITS)
  rejected = 0
})

function tierFor(task: Task, model: string | undefined) {
  return exactTier({ task, asserted, estimated, localDigest: () => model, emit })
}

function item(title: string): Item {
  const source = { topic: 'products', partition: 0, offset: '1', timestamp_ms: 0 }
  return {
    id: 'products/0/1/0',
    task: 'taxonomy',
    entity: 'e',
    segments: [title],
    textHash: textHash([title])!,
    source,
  }
}

async function labelsOf(tier: ReturnType<typeof tierFor>, titles: readonly string[]): Promise<(string | undefined)[]> {
  const replies = await tier.answer(titles.map(item))
  return replies.map((reply) => (reply.kind === 'answer' ? reply.answer.label.join('/') : undefined))
}

describe('the exact tier', () => {
  test('passes for a text it never saw', async () => {
    assert.deepEqual(await tierFor(TASK, 'model:1').answer([item('milk')]), [{ kind: 'pass' }])
  })

  test('gives what was kept: same label, probabilities and digest, under its own tier', async () => {
    const tier = tierFor(TASK, 'model:1')
    await tier.remember([item('milk'), item('bread')], [LLM, LOCAL])
    const replies = await tier.answer([item('bread'), item('milk')])
    assert.deepEqual(replies, [
      { kind: 'answer', answer: { ...LOCAL, tier: 'exact' }, shortlist: [] },
      { kind: 'answer', answer: { ...LLM, tier: 'exact' }, shortlist: [] },
    ])
  })

  test('answers in the order of the items, passes in their places', async () => {
    const tier = tierFor(TASK, 'model:1')
    await tier.remember([item('milk'), item('bread')], [LLM, LOCAL])
    const found = await labelsOf(tier, ['bread', 'never', 'milk', 'bread'])
    assert.deepEqual(found, ['Bakery/Bread', undefined, 'Dairy/Milk', 'Bakery/Bread'])
  })

  test('equal texts are the same text however they are spelled', async () => {
    const tier = tierFor(TASK, 'model:1')
    await tier.remember([item('Whole  MILK')], [LLM])
    assert.deepEqual(await labelsOf(tier, [' whole milk\u200b ']), ['Dairy/Milk'])
  })

  test('an answer of the LLM or of people stays valid across models; one of a model is valid for that model', async () => {
    await tierFor(TASK, 'model:1').remember([item('milk'), item('bread')], [LLM, LOCAL])
    assert.deepEqual(await labelsOf(tierFor(TASK, 'model:2'), ['milk', 'bread']), ['Dairy/Milk', undefined])
    assert.deepEqual(await labelsOf(tierFor(TASK, undefined), ['milk', 'bread']), ['Dairy/Milk', undefined])
    assert.deepEqual(await labelsOf(tierFor(TASK, 'model:1'), ['bread']), ['Bakery/Bread'])
  })

  test('an answer is valid for its task and its label set only', async () => {
    await tierFor(TASK, 'model:1').remember([item('milk'), item('bread')], [LLM, LOCAL])
    for (const other of [
      { ...TASK, name: 'other' },
      { ...TASK, labelsDigest: 'labels:2' },
    ])
      assert.deepEqual(await labelsOf(tierFor(other, 'model:1'), ['milk', 'bread']), [undefined, undefined])
  })

  test('what was asserted goes before what was estimated', async () => {
    const tier = exactTier({ task: TASK, asserted: estimated, estimated, localDigest: () => 'model:1', emit })
    await tier.remember([item('milk'), item('milk')], [{ ...LOCAL, label: ['Dairy', 'Cheese'] }, LLM])
    assert.deepEqual(await labelsOf(tier, ['milk']), ['Dairy/Milk'])
  })

  test('local answers never reach the shared cache; items known here are not asked for there', async () => {
    const tier = tierFor(TASK, 'model:1')
    await tier.remember([item('bread')], [LOCAL])
    assert.equal(asserted.kept.size, 0)
    await tier.answer([item('bread'), item('milk')])
    assert.equal(asserted.asked, 1)
  })

  test('only first-hand answers are kept: not its own hits, not those by similarity, not missing ones', async () => {
    const tier = tierFor(TASK, 'model:1')
    const titles = ['a', 'b', 'c']
    await tier.remember(titles.map(item), [{ ...LLM, tier: 'exact' }, { ...LLM, tier: 'similar' }, undefined])
    assert.deepEqual(await labelsOf(tier, titles), [undefined, undefined, undefined])
  })
})

describe('a cached value that this task could not have kept', () => {
  const good = ['llm', 'llm:abc', ['Dairy', 'Milk'], []]
  const bad: Readonly<Record<string, string>> = {
    'not JSON': '{',
    empty: '',
    null: 'null',
    'a number': '1e999',
    'an object': '{"tier":"llm"}',
    'an object with __proto__': '{"__proto__":["llm","d",["Dairy","Milk"],[]]}',
    'too short': JSON.stringify(good.slice(0, 3)),
    'too long': JSON.stringify([...good, 1]),
    'a label outside the set': JSON.stringify(['llm', 'd', ['Dairy', 'Wine'], []]),
    'a label with the separator inside': JSON.stringify(['llm', 'd', ['Dairy > Milk'], []]),
    'a label cut short': JSON.stringify(['llm', 'd', ['Dairy'], []]),
    'a label with a space more': JSON.stringify(['llm', 'd', ['Dairy', 'Milk '], []]),
    'the label __proto__': JSON.stringify(['llm', 'd', ['__proto__', 'Milk'], []]),
    'a label that is no path': JSON.stringify(['llm', 'd', 'Dairy > Milk', []]),
    'a tier that does not exist': JSON.stringify(['oracle', 'd', ['Dairy', 'Milk'], []]),
    'an estimate where assertions are kept': JSON.stringify(['local', 'd', ['Dairy', 'Milk'], [0.9, 0.9]]),
    'a probability where none belongs': JSON.stringify(['llm', 'd', ['Dairy', 'Milk'], [0.9, 0.9]]),
    'a digest with a line break': JSON.stringify(['llm', 'd\r\nx: y', ['Dairy', 'Milk'], []]),
    'a digest that is no text': JSON.stringify(['llm', 7, ['Dairy', 'Milk'], []]),
    'deep nesting': '['.repeat(3_000) + ']'.repeat(3_000),
    'a huge value': JSON.stringify(['llm', 'd', ['Dairy', 'Milk'], []]) + ' '.repeat(100_000),
  }
  for (const [name, value] of Object.entries(bad)) {
    test(`is a miss and is counted: ${name}`, async () => {
      const tier = tierFor(TASK, 'model:1')
      await tier.remember([item('milk')], [LLM])
      for (const key of asserted.kept.keys()) asserted.kept.set(key, value)
      assert.deepEqual(await labelsOf(tier, ['milk']), [undefined])
      assert.equal(rejected, 1)
      await tier.remember([item('milk')], [LLM])
      assert.deepEqual(await labelsOf(tier, ['milk']), ['Dairy/Milk'])
    })
  }

  test('estimated answers need one probability in [0, 1] per level', async () => {
    for (const probabilities of [
      '[]',
      '[0.9]',
      '[0.9,0.9,0.9]',
      '[0.9,1.1]',
      '[0.9,-0.1]',
      '[0.9,null]',
      '[0.9,"1"]',
      '[0.9,1e999]',
    ]) {
      const lying: Cache = { ...estimated, peek: () => `["local","model:1",["Dairy","Milk"],${probabilities}]` }
      const tier = exactTier({ task: TASK, asserted, estimated: lying, localDigest: () => 'model:1', emit })
      assert.deepEqual(await labelsOf(tier, ['milk']), [undefined], probabilities)
    }
  })

  test('no value whatever makes an answer outside the label set, or an error', async () => {
    const json = fc.json({ maxDepth: 4 })
    const near = fc
      .tuple(
        fc.constantFrom('llm', 'human', 'local', 'exact'),
        fc.string(),
        fc.array(fc.constantFrom('Dairy', 'Milk', 'x')),
        fc.array(fc.double()),
      )
      .map((parts) => JSON.stringify(parts))
    const known = new Set(TASK.labels.paths.map((path) => path.join('/')))
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), json, near), async (value) => {
        const lying: Cache = { ...estimated, peek: () => value, get: async (keys) => keys.map(() => value) }
        const tier = exactTier({ task: TASK, asserted: lying, estimated: lying, localDigest: () => 'model:1', emit })
        const [label] = await labelsOf(tier, ['milk'])
        assert.ok(label === undefined || known.has(label))
      }),
      { numRuns: 500 },
    )
  })
})

describe('the text hash', () => {
  test('tells segments apart: where one ends and the next begins matters', () => {
    assert.notEqual(textHash(['red', 'wine']), textHash(['red wine', '']))
    assert.notEqual(textHash(['red', 'wine']), textHash(['', 'red wine']))
    assert.notEqual(textHash(['a\nb']), textHash(['a', 'b']))
  })

  test('is 22 characters that are safe in keys and headers, for any text that has something left to say', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 3 }), (segments) => {
        const isEmpty = segments.every((segment) => normalise(segment) === '')
        const found = textHash(segments)
        assert.ok(isEmpty ? found === undefined : /^[\w-]{22}$/.test(found!))
      }),
    )
  })

  test('equal spellings have equal hashes, different ones do not', () => {
    assert.equal(textHash(['  Crème  BRÛLÉE ']), textHash(['crème brûlée']))
    assert.notEqual(textHash(['milk 1 l']), textHash(['milk 2 l']))
  })
})
