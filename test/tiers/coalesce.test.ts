// Coalescing on a manual clock: who asks, who waits for whom and for how long, and that nobody waits for ever.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { mayWaitFor, turnName } from '../../src/core/llm/turn.ts'
import type { LlmResult } from '../../src/ports/tier.ts'
import { similarTier } from '../../src/tiers/similar.ts'
import { taskOf } from '../fakes/items.ts'
import { SIMILAR } from '../support/similar.ts'
import { CALL_MS, coalesceWorld, keyOf, LEASE_MS, WAIT_MS } from '../support/coalesce-world.ts'
import type { Done, Fate } from '../support/coalesce-world.ts'

const labels = ({ results }: Done) => results.map((it) => (it.kind === 'answered' ? it.answer.label[0] : it.kind))
const tiers = ({ results }: Done) => results.map((it) => (it.kind === 'answered' ? it.answer.tier : it.kind))
const costs = (results: readonly LlmResult[]) => results.map(({ record }) => record.costUsd)

describe('equal texts of one process', () => {
  test('in one batch are asked once; the others cost nothing', async () => {
    const world = coalesceWorld()
    const done = await world.process().turn(['a', 'b', 'a', 'a'])
    assert.deepEqual(world.asked, ['a', 'b'])
    assert.deepEqual(labels(done), ['a', 'b', 'a', 'a'])
    assert.deepEqual(costs(done.results), [0.01, 0.01, 0, 0])
    assert.equal(world.count('llm.coalesced', { where: 'batch', became: 'answered' }), 2)
  })

  test('in two batches are asked once: the second has the answer when the first is committed, at no cost', async () => {
    const world = coalesceWorld({ leases: false })
    const one = world.process()
    const [first, second] = await Promise.all([one.turn(['a', 'b']), one.turn(['b', 'c', 'b'])])
    assert.deepEqual(world.asked, ['a', 'b', 'c'])
    assert.deepEqual(
      [labels(second), tiers(second)],
      [
        ['b', 'c', 'b'],
        ['exact', 'llm', 'exact'],
      ],
    )
    assert.deepEqual(costs(second.results), [0, 0.01, 0])
    assert.deepEqual(second.results[0]!.record.calls, 0)
    assert.equal(world.count('llm.coalesced', { where: 'process', text: 'equal', became: 'answered' }), 2)
    assert.deepEqual(tiers(first), ['llm', 'llm'])
  })

  test('are asked again where the first batch was not committed: its answer has no label record', async () => {
    const world = coalesceWorld({ leases: false })
    const one = world.process()
    const [, second] = await Promise.all([one.turn(['a'], 'abort'), one.turn(['a'])])
    assert.deepEqual(world.asked, ['a', 'a'])
    assert.deepEqual(tiers(second), ['llm'])
    assert.equal(world.count('llm.coalesced', { became: 'asked' }), 1)
  })

  test('of five batches that wait for one that fails, one asks and four wait for it', async () => {
    const world = coalesceWorld({ leases: false })
    const one = world.process()
    await Promise.all([one.turn(['a'], 'abort'), ...Array.from({ length: 5 }, () => one.turn(['a']))])
    assert.deepEqual(world.asked, ['a', 'a'])
  })

  test('are waited for with a pulse, and no longer than they may', async () => {
    const world = coalesceWorld({ leases: false, call_ms: () => 10 * WAIT_MS })
    const one = world.process()
    const slow = one.turn(['a'])
    const { took_ms, beats } = await one.turn(['a'])
    assert.equal(took_ms, WAIT_MS + 10 * WAIT_MS)
    assert.ok(beats >= 300, `${beats} beats`)
    await slow
    assert.deepEqual(world.asked, ['a', 'a'])
  })

  test('are not waited for where the configuration says so', async () => {
    const world = coalesceWorld()
    const one = world.process({ wait_ms: 0 })
    const turns = await Promise.all([one.turn(['a']), one.turn(['a'])])
    assert.deepEqual(world.asked, ['a', 'a'])
    assert.deepEqual(
      turns.map(({ took_ms }) => took_ms),
      [CALL_MS, CALL_MS],
    )
  })

  test('what ends the batch ends its waiting at once', async () => {
    const world = coalesceWorld({ leases: false, call_ms: () => WAIT_MS })
    const one = world.process()
    const slow = one.turn(['a'])
    const lost = new Error('the partition is lost')
    await assert.rejects(
      one.turn(['a', 'b'], 'commit', () => Promise.reject(lost)),
      lost,
    )
    assert.equal(world.clock.elapsed(), 2_000)
    await slow
  })
})

describe('equal texts of two processes', () => {
  test('are asked once: the second finds the answer in the shared cache once the first is committed', async () => {
    const world = coalesceWorld()
    const [first, second] = await Promise.all([world.process().turn(['a', 'b']), world.process().turn(['b', 'c'])])
    assert.deepEqual(world.asked, ['a', 'b', 'c'])
    assert.deepEqual(
      [tiers(first), tiers(second)],
      [
        ['llm', 'llm'],
        ['exact', 'llm'],
      ],
    )
    assert.equal(world.count('llm.coalesced', { where: 'remote', became: 'answered' }), 1)
  })

  test('leases are renewed while a call takes long, and given back when the turn is over', async () => {
    const world = coalesceWorld({ call_ms: () => 4 * LEASE_MS })
    const first = world.process().turn(['a'])
    const second = world.process().turn(['a'])
    await world.clock.sleep(3 * LEASE_MS)
    assert.deepEqual(world.held(), [keyOf('a')])
    await Promise.all([first, second])
    assert.deepEqual(world.asked, ['a'])
    await world.clock.sleep(1)
    assert.deepEqual(world.held(), [])
  })

  test('are asked again when the first dies: its lease ends by itself', async () => {
    const world = coalesceWorld()
    const [, second] = await Promise.all([world.process().turn(['a'], 'kill'), world.process().turn(['a'])])
    assert.deepEqual(world.asked, ['a', 'a'])
    assert.ok(second.took_ms <= LEASE_MS + 3 * CALL_MS, `${second.took_ms} ms`)
  })

  test('each holding what the other would wait for: the later waits, the earlier asks, nobody is stuck', async () => {
    const world = coalesceWorld({ pause_ms: 10 })
    const [first, second] = await Promise.all([world.process().turn(['x', 'y']), world.process().turn(['y', 'x'])])
    assert.deepEqual(
      [labels(first), labels(second)],
      [
        ['x', 'y'],
        ['y', 'x'],
      ],
    )
    assert.ok(second.took_ms < WAIT_MS / 2, `${second.took_ms} ms`)
    assert.deepEqual(world.asked.toSorted(), ['x', 'y', 'y'])
  })

  test('what stands in the place of a lease and is none is waited for by nobody', () => {
    const own = turnName(1_800_000_000_000, 'a')
    for (const odd of ['', '0', '!', own.slice(0, 9), `${own.slice(0, 9)}-`, '0'.repeat(9_000), own])
      assert.equal(mayWaitFor(own, odd), false, odd)
    assert.equal(mayWaitFor(own, turnName(1_799_999_999_999, 'zz')), true)
  })
})

describe('texts nearly the same', () => {
  /** The same first word; `!` is passed on for the audit. */
  const similar = {
    near: (items: readonly { segments: readonly string[] }[], others: readonly { segments: readonly string[] }[]) =>
      items.map(({ segments: [text] }) =>
        others.flatMap(({ segments: [other] }, at) =>
          other !== text && !text!.endsWith('!') && other!.split(' ')[0] === text!.split(' ')[0] ? [at] : [],
        ),
      ),
    suppose: (
      _: unknown,
      learned: readonly { readonly answer: LlmResult extends never ? never : { label: readonly string[] } }[],
    ) =>
      learned.length === 1
        ? ({ label: learned[0]!.answer.label, probabilities: [], tier: 'similar', digest: 'prompt' } as const)
        : undefined,
  }

  test('of one batch have the answer of the first, where the similar tier takes it', async () => {
    const world = coalesceWorld()
    const done = await world.process({ similar }).turn(['a 1', 'a 2', 'a 3!', 'b 1'])
    assert.deepEqual(world.asked, ['a 1', 'a 3!', 'b 1'])
    assert.deepEqual(
      [labels(done), costs(done.results)],
      [
        ['a', 'a', 'a', 'b'],
        [0.01, 0, 0.01, 0.01],
      ],
    )
  })

  test('of one batch are asked about after all where it does not', async () => {
    const world = coalesceWorld()
    const done = await world.process({ similar: { ...similar, suppose: () => undefined } }).turn(['a 1', 'a 2', 'a 3'])
    assert.deepEqual(world.asked, ['a 1', 'a 2', 'a 3'])
    assert.deepEqual(tiers(done), ['llm', 'llm', 'llm'])
    assert.equal(done.took_ms, 3 * CALL_MS)
  })

  test('are what the similar tier says they are: nothing that counts may differ, and the audited ask for themselves', async () => {
    const GOUDA = 'gouda cheese slices organic young acme'
    const texts = [`${GOUDA} 200 g`, `${GOUDA} 200 g.`, `${GOUDA} 400 g`, 'something else altogether']
    const asks = async (audit_share: number) => {
      const world = coalesceWorld()
      const task = taskOf({ similar: { ...SIMILAR, vetoes: ['numbers'], audit_share } })
      const tier = similarTier({ task, store: undefined, clock: world.clock, emit: () => {} })
      const done = await world.process({ similar: tier }).turn(texts)
      return [world.asked.length, tiers(done)]
    }
    assert.deepEqual(await asks(0), [3, ['llm', 'similar', 'llm', 'llm']])
    assert.deepEqual(await asks(1), [4, ['llm', 'llm', 'llm', 'llm']])
  })

  test('of a batch before wait for it, then are looked up: the similar tier has the last word', async () => {
    const world = coalesceWorld({ leases: false })
    const one = world.process({ similar })
    const [, second] = await Promise.all([one.turn(['a 1']), one.turn(['a 2'])])
    assert.equal(world.count('llm.coalesced', { text: 'near', where: 'process', became: 'asked' }), 1)
    assert.deepEqual([world.asked, tiers(second)], [['a 1', 'a 2'], ['llm']])
    assert.equal(second.took_ms, 2 * CALL_MS)
  })
})

describe('whatever turns there are', () => {
  const letters = fc.constantFrom('a', 'b', 'c', 'd')
  const fates = fc.constantFrom<Fate>('commit', 'commit', 'commit', 'abort', 'kill')
  const turns = fc.array(
    fc.record({
      at_ms: fc.nat({ max: 4_000 }),
      process: fc.nat({ max: 3 }),
      texts: fc.array(letters, { minLength: 1, maxLength: 5 }),
      fate: fates,
    }),
    { minLength: 1, maxLength: 12 },
  )

  async function play(plan: typeof turns extends fc.Arbitrary<infer T> ? T : never, pause_ms: number) {
    const world = coalesceWorld({ pause_ms })
    // A killed process takes no other turn.
    const killed = plan.flatMap(({ fate }, at) => (fate === 'kill' ? [100 + at] : []))
    const processes = new Map([...new Set([0, 1, 2, 3, ...killed])].map((id) => [id, world.process()]))
    const done = await Promise.all(
      plan.map(async ({ at_ms, process, texts, fate }, at) => {
        await world.clock.sleep(at_ms)
        return processes.get(fate === 'kill' ? 100 + at : process)!.turn(texts, fate)
      }),
    )
    return { world, done }
  }

  test('each item has its answer, nobody waits as long as he may, and every lease is gone in the end', async () => {
    await fc.assert(
      fc.asyncProperty(turns, fc.constantFrom(0, 7, 400), async (plan, pause_ms) => {
        const { world, done } = await play(plan, pause_ms)
        for (const it of done)
          assert.deepEqual(
            labels(it),
            it.results.map(({ item }) => item.segments[0]),
          )
        const killed = plan.filter(({ fate }) => fate === 'kill').length
        // Every wait ends with a call, a commit or the end of a dead one's lease: a circle would last for WAIT_MS.
        const failed = plan.filter(({ fate }) => fate !== 'commit').length
        if (killed === 0 && failed < 3) for (const { took_ms } of done) assert.ok(took_ms < WAIT_MS, `${took_ms} ms`)
        await world.clock.sleep(2 * LEASE_MS)
        assert.deepEqual(world.held(), [])
      }),
      { seed: 5, numRuns: 150 },
    )
  })

  test('where all are committed and see each other in order, each text is asked once', async () => {
    const committed = turns.map((plan) => plan.map((turn) => ({ ...turn, fate: 'commit' as const })))
    await fc.assert(
      fc.asyncProperty(committed, async (plan) => {
        const { world } = await play(plan, 0)
        assert.deepEqual(world.asked.toSorted(), [...new Set(plan.flatMap(({ texts }) => texts))].toSorted())
      }),
      { seed: 6, numRuns: 150 },
    )
  })
})
