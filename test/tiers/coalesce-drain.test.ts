// Coalescing in a process that drains: a batch is left, unpaid, or finished; by all of its tasks alike.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { turnName } from '../../src/core/llm/turn.ts'
import { BatchLeft } from '../../src/ports/stream.ts'
import { CALL_MS, coalesceWorld } from '../support/coalesce-world.ts'
import type { Done } from '../support/coalesce-world.ts'

const tiers = ({ results }: Done) => results.map((it) => (it.kind === 'answered' ? it.answer.tier : it.kind))

describe('a process that drains', () => {
  test('leaves a batch that only waits, at once and unpaid', async () => {
    const world = coalesceWorld({ leases: false, call_ms: () => 20_000 })
    const one = world.process()
    const slow = one.turn(['a'])
    const waits = one.turn(['a'])
    await world.clock.sleep(100)
    one.drain()
    await assert.rejects(waits, BatchLeft)
    assert.equal(world.clock.elapsed(), 100)
    await slow
    assert.deepEqual(world.asked, ['a'])
  })

  test('finishes a batch that has asked: what it waits for is asked about at once', async () => {
    const world = coalesceWorld({ leases: false, call_ms: ([text]) => (text === 'a' ? 20_000 : CALL_MS) })
    const one = world.process()
    const slow = one.turn(['a'])
    const both = one.turn(['a', 'b'])
    await world.clock.sleep(100)
    one.drain()
    assert.deepEqual(tiers(await both), ['llm', 'llm'])
    assert.deepEqual(world.asked, ['a', 'b', 'a'])
    await slow
  })
})

describe('a process that drains, and a batch of two tasks', () => {
  async function drained(others: readonly string[]) {
    const world = coalesceWorld({ leases: false, call_ms: ([text]) => (text === 'a' ? 20_000 : CALL_MS) })
    const draining = new AbortController()
    const task = () => world.process({ draining: draining.signal })
    const [one, two] = [task(), task()]
    const slow = one.turn(['a'])
    await two.turn(['c'])
    const turn = { name: turnName(world.clock.now() + 1, 'z'), over: new Promise<void>(() => {}), asked: false }
    const both = Promise.allSettled([
      one.turn(['a'], 'commit', undefined, turn),
      two.turn(others, 'commit', undefined, turn),
    ])
    await world.clock.sleep(100)
    draining.abort()
    const ends = (await both).map((it) => (it.status === 'fulfilled' ? tiers(it.value) : it.reason))
    await slow
    return { ends, asked: world.asked }
  }

  test('of which one has asked is finished by the other, too: nothing is paid for and dropped', async () => {
    const { ends, asked } = await drained(['b'])
    assert.deepEqual(ends, [['llm'], ['llm']])
    assert.deepEqual(asked, ['a', 'c', 'b', 'a'])
  })

  test('that has asked nothing is left by both', async () => {
    const { ends, asked } = await drained([])
    assert.ok(ends[0] instanceof BatchLeft)
    assert.deepEqual([ends[1], asked], [[], ['a', 'c']])
  })
})
