// Promise: no state of Redis changes an answer. The exact and the similar tier are asked while Redis is in each of its
// states; every reply is held against those of a process that has no Redis. bench/redis-states measures the time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Reply } from '../../src/core/answer.ts'
import type { Item } from '../../src/core/item.ts'
import { pathKey } from '../../src/core/labels.ts'
import { itemOf } from '../fakes/items.ts'
import { LLM_SAID, openProcess, STATES } from '../support/redis-states.ts'
import { noRedis } from '../support/redis.ts'
import { eventually } from '../support/stack.ts'

const ITEMS = 40
const titled = (what: string) => (at: number) => `acme organic ${what} number ${at * 7_919} of the larger kind`
const itemsOf = (title: (at: number) => string): Item[] =>
  Array.from({ length: ITEMS }, (_, at) => itemOf(at, title(at)))
const [taught, later, unknown] = ['cheese', 'bread', 'garden hose'].map((what) => itemsOf(titled(what)))
const nearly = itemsOf((at) => `${titled('cheese')(at)}s`)
const asked = [...taught!, ...nearly, ...later!, ...unknown!]
const said = Array.from({ length: ITEMS }, () => LLM_SAID)

const [RIGHT, PASSED] = [pathKey(LLM_SAID.label), 'passed']
const labelsOf = (replies: readonly Reply[]) =>
  replies.map((reply) => (reply.kind === 'answer' ? pathKey(reply.answer.label) : PASSED))

/** What the two tiers say without Redis: before and after they have learned the later texts. */
async function alone(): Promise<string[][]> {
  const process = await openProcess(undefined)
  await process.learn(taught!, said)
  const before = labelsOf(await process.answer(asked))
  await process.learn(later!, said)
  return [before, labelsOf(await process.answer(asked))]
}

/** Right or not there, and at last all of it: a machine that stood still for a moment makes a well Redis late. */
async function hears(url: string): Promise<void> {
  const other = await openProcess(url)
  await eventually('another process hears all that was taught', 30_000, async () => {
    const heard = labelsOf(await other.answer([...taught!, ...nearly]))
    assert.deepEqual(new Set(heard).difference(new Set([RIGHT, PASSED])), new Set())
    return !heard.includes(PASSED) || undefined
  }).finally(() => other.close())
}

describe('Redis is', { skip: noRedis }, () => {
  for (const { name, keeps, reads, open } of STATES)
    test(`${name}: what a process has learned it answers as without Redis, and what others taught is right or not there`, async () => {
      const redis = await open()
      const teacher = await openProcess(redis.url)
      try {
        await eventually('the texts are taught', 30_000, async () => {
          await teacher.learn(taught!, said)
          return !keeps || (await hears(redis.url).then(() => true))
        })
        await redis.spoil()
        if (reads) await hears(redis.url)
        else {
          const other = await openProcess(redis.url)
          assert.deepEqual(new Set(labelsOf(await other.answer(asked))), new Set([PASSED]))
          other.close()
        }
        const first = labelsOf(await teacher.answer(asked))
        await teacher.learn(later!, said)
        assert.deepEqual([first, labelsOf(await teacher.answer(asked))], await alone())
        assert.equal(first.filter((label) => label === RIGHT).length, 2 * ITEMS)
      } finally {
        teacher.close()
        await redis.stop()
      }
    })
})
