// `sluice explain` on what real roles wrote: an item that no local tier was sure of and the LLM answered, one that was refused,
// one that a later event superseded, and keys of which nothing is known.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Explanation } from '../../src/core/explain.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { isRunning, sluice, startSluice } from '../support/sluice.ts'
import type { Sluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

type Shown = Explanation & { readonly input: { readonly segments: Readonly<Record<string, string>> } | null }

/** A machine with much else to do starts a process slowly. */
const START_MS = 90_000
const EVIL = 'Brown sugar\u001b[31m 1 kg'
const ROWS = [
  { id: 'sugar', title: EVIL, brand: 'Acme' },
  { id: 'soap', title: 'Rose bath soap', brand: null },
  { id: 'empty', title: ' ', brand: null },
]

describe('explaining an item', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment
  let process: Sluice

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([5, 10])
    deployment = await createDeployment('explain', {
      tasks: ['taxonomy'],
      gates: { taxonomy: [1, 1, 1] },
      settings: {
        llm: {
          ...standIn.llm,
          prices: { 'sluice-stand-in': { input: 1, cached_input: 1, output: 2 } },
        },
      },
    })
    await deployment.apply()
    await deployment.produce('products', ROWS)
    process = startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
    await process.until('start', isRunning, START_MS)
    const count = (topic: string, least: number) =>
      eventually(`${least} in ${topic}`, 60_000, async () => {
        const { committed } = await broker.read([deployment.topic(topic)])
        return committed.length >= least ? true : undefined
      })
    await Promise.all([count('results', 2), count('dead-letters', 1)])
    await deployment.produce('products', [{ ...ROWS[1], title: 'Sandal bath soap, new' }])
    await count('results', 3)
    process.signal('SIGTERM')
    assert.equal(await process.ended, 0, process.tail())
  })
  after(async () => {
    process?.signal('SIGKILL')
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  const explain = (...args: string[]) => sluice(['explain', ...args, '--config', deployment.config])
  async function shown(...args: string[]): Promise<readonly Shown[]> {
    const { code, text } = await explain(...args, '--json')
    assert.equal(code, 0, text)
    return (JSON.parse(text.trim().split('\n').at(-1)!) as { items: Shown[] }).items
  }

  test('shows the tiers, the gate level by level, the prompt and what it cost, in JSON', async () => {
    const [item, ...others] = await shown('sugar')
    assert.deepEqual(others, [])
    assert.deepEqual([item!.task, item!.entity, item!.input!.segments['title']], ['taxonomy', 'sugar', EVIL])
    assert.deepEqual(
      item!.steps.map(({ role, outcome }) => `${role} ${outcome}`),
      ['classify fallback', 'fallback result'],
    )
    const [classify, fallback] = item!.steps
    assert.deepEqual(classify!.asked.map(({ tier }) => tier).slice(0, 2), ['exact', 'local'])
    assert.equal(classify!.gate.length, 3)
    assert.ok(classify!.gate.some(({ cleared, threshold }) => cleared === false && threshold === 1))
    assert.ok(classify!.shortlist.length > 0)
    assert.deepEqual(
      fallback!.asked.map(({ tier }) => tier),
      ['known', 'llm'],
    )
    assert.equal(fallback!.answer!.tier, 'llm')
    assert.equal(item!.paid!.prompt, fallback!.answer!.digest)
    assert.ok(item!.paid!.costUsd > 0 && item!.paid!.inputTokens > 0)
    assert.ok(item!.calls.length > 0 && item!.calls.every(({ state }) => state === 'booked'))
  })

  test('shows the same for the item id, and to people without letting a text touch their terminal', async () => {
    const [{ item }] = (await shown('sugar')) as [Shown]
    assert.deepEqual(
      (await shown(item)).map((it) => it.item),
      [item],
    )
    const { code, text } = await explain(item)
    assert.equal(code, 0, text)
    assert.ok(!text.includes('\u001b'))
    for (const part of ['input', 'title: Brown sugar', 'classify', 'missed', 'fallback', 'by llm', 'cost', 'call'])
      assert.ok(text.includes(part), `${part} is not in\n${text}`)
  })

  test('says which later event of the entity superseded it', async () => {
    const both = await shown('soap', '--last', '2')
    assert.deepEqual(
      both.map(({ supersedes, supersededBy }) => [supersedes.length, supersededBy?.item]),
      [
        [1, undefined],
        [0, both[0]!.item],
      ],
    )
  })

  test('shows why a record was refused', async () => {
    const [item] = await shown('empty')
    assert.deepEqual(
      item!.steps.map(({ outcome, why }) => [outcome, why]),
      [['dead-letter', 'empty-text']],
    )
  })

  test('says plainly of what nothing is known', async () => {
    const { code, text } = await explain(`${deployment.topic('products')}/0/999999/0`)
    assert.equal(code, 1, text)
    assert.match(text, /SL507/)
  })
})
