// `sluice explain` before it asks a broker: what it refuses, item ids, and a page on which no text of a product does harm.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { run } from '../../src/cli/explain.ts'
import { explainPage } from '../../src/cli/explain/page.ts'
import { readItemId, writeItemId } from '../../src/cli/explain/trail.ts'
import type { Explanation } from '../../src/core/explain.ts'
import { itemOf, taskOf } from '../fakes/items.ts'
import { ROOT } from '../support/deployment.ts'

const config = ['--config', join(ROOT, 'sluice.yaml')]

describe('sluice explain', () => {
  for (const [args, says] of [
    [[], /which item/],
    [[''], /which item/],
    [['a', 'b'], /"b" means nothing here/],
    [['a', '--last', '0'], /--last 0/],
    [['a', '--last', '1.5'], /--last 1.5/],
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
    const explanation: Explanation = { item: evil, task: 'shop', entity: evil, steps: [], calls: [], supersedes: [] }
    const input = {
      topic: 'products',
      partition: 0,
      offset: '7',
      timestamp_ms: 0,
      key: null,
      value: null,
      headers: {},
    }
    const trail = { evidence: [], input, items: [itemOf(7, evil)] }
    const page = explainPage(explanation, trail, taskOf())
    assert.doesNotMatch(page.replaceAll('\n', ''), /\p{C}/u)
    assert.ok(page.includes('title: ') && page.length < 2_000, page)
  })
})
