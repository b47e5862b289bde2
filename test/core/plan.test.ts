// The plan for the broker's topics: idempotent, and it refuses what would lose or reorder records.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { planTopics } from '../../src/core/plan.ts'
import type { FoundTopic, WantedTopic } from '../../src/core/plan.ts'

const RESULTS: WantedTopic = {
  name: 'results',
  partitions: 4,
  config: { 'cleanup.policy': 'delete', 'retention.ms': '1000' },
}
const plan = (found: Record<string, FoundTopic>) => planTopics([RESULTS], new Map(Object.entries(found)))[0]!

describe('the plan for a topic', () => {
  test('that is not there: create it', () => {
    assert.deepEqual(plan({}), { kind: 'create', topic: 'results', says: '4 partitions' })
  })

  test('that is as wanted: keep it; what the broker holds besides does not matter', () => {
    const found = { partitions: 4, config: { ...RESULTS.config, 'segment.bytes': '99' } }
    assert.equal(plan({ results: found }).kind, 'keep')
  })

  test('with another retention: configure it, and say from what to what', () => {
    const step = plan({ results: { partitions: 4, config: { ...RESULTS.config, 'retention.ms': '5' } } })
    assert.deepEqual(step, { kind: 'configure', topic: 'results', says: 'retention.ms: 5 → 1000' })
  })

  for (const partitions of [1, 3, 5, 100])
    test(`with ${partitions} partitions: refuse, keys would move`, () => {
      const step = plan({ results: { partitions, config: RESULTS.config } })
      assert.deepEqual([step.kind, step.says], ['refuse', `has ${partitions} partitions, wanted 4`])
    })

  test('with another cleanup policy: refuse, records would be lost', () => {
    const step = plan({ results: { partitions: 4, config: { ...RESULTS.config, 'cleanup.policy': 'compact' } } })
    assert.deepEqual([step.kind, step.says], ['refuse', 'cleanup.policy is compact, wanted delete'])
  })

  const topic = fc.record({
    partitions: fc.integer({ min: 1, max: 8 }),
    config: fc.dictionary(fc.constantFrom('cleanup.policy', 'retention.ms'), fc.constantFrom('a', 'b')),
  })
  const names = fc.constantFrom('a', 'b', 'c', 'd')

  test('one step a topic, in order; a plan that was carried out has nothing left to do', () => {
    fc.assert(
      fc.property(fc.dictionary(names, topic), fc.dictionary(names, topic), (wanted, there) => {
        const topics = Object.entries(wanted).map(([name, it]) => ({ name, ...it }))
        const found = new Map<string, FoundTopic>(Object.entries(there))
        const steps = planTopics(topics, found)
        assert.deepEqual(
          steps.map((step) => step.topic),
          topics.map(({ name }) => name),
        )
        for (const [index, { kind }] of steps.entries()) {
          const { name, partitions, config } = topics[index]!
          if (kind === 'create') found.set(name, { partitions, config })
          if (kind === 'configure') found.set(name, { partitions, config: { ...found.get(name)!.config, ...config } })
        }
        for (const { kind } of planTopics(topics, found)) assert.ok(kind === 'keep' || kind === 'refuse')
      }),
    )
  })

  test('the number of partitions is never changed', () => {
    fc.assert(
      fc.property(topic, topic, (wanted, there) => {
        const [step] = planTopics([{ name: 'a', ...wanted }], new Map([['a', there]]))
        if (wanted.partitions !== there.partitions) assert.equal(step?.kind, 'refuse')
      }),
    )
  })
})
