// Promise: the ledger is never below what the provider charged, above it by the calls that a crash cut off and by no more,
// and equal to the token for every call that returned. Fallback processes are killed at random moments while they call.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Charge } from '../../scripts/llm-stand-in.ts'
import { random } from '../../src/core/random.ts'
import { audit, finished } from '../support/audit.ts'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { products } from '../support/products.ts'
import { seed } from '../support/llm.ts'
import { sluice, startSluice } from '../support/sluice.ts'
import { openStandIn } from '../support/stand-in.ts'
import type { TestStandIn } from '../support/stand-in.ts'
import { eventually, noStack, openBroker, sleep } from '../support/stack.ts'
import type { Broker } from '../support/stack.ts'

const TASKS = [{ task: 'taxonomy', topic: 'products' }]
/** In each round both processes are killed; SLUICE_KILLS=20 for a long one. */
const ROUNDS = Number(process.env['SLUICE_KILLS'] ?? 1)
const PROCESSES = 2
const CALLS_A_ROUND = 3
const PRODUCTS = (ROUNDS + 1) * 20

interface Call extends Charge {
  readonly id: string
  readonly state: 'reserved' | 'settled' | 'failed' | 'booked'
  readonly costUsd: number
  readonly items: readonly string[]
}

const tokens = ({ inputTokens, outputTokens }: Charge) => inputTokens + outputTokens
const sum = (charges: readonly Charge[]) => charges.reduce((total, charge) => total + tokens(charge), 0)

describe('processes that call the LLM are killed', { skip: noStack }, () => {
  let broker: Broker
  let standIn: TestStandIn
  let deployment: TestDeployment

  before(async () => {
    broker = await openBroker()
    standIn = await openStandIn([20, 80])
    deployment = await createDeployment('ledger', {
      tasks: ['taxonomy'],
      withoutModel: true,
      topics: { calls: { format: 'json' } },
      settings: {
        kafka: { batch_records_max: 200 },
        llm: {
          ...standIn.llm,
          prices: { 'sluice-stand-in': { input: 1, cached_input: 0.1, output: 4 } },
          items_per_call_max: 5,
          calls_concurrently: 1,
        },
      },
    })
    await deployment.apply()
    await deployment.produce('products', products(PRODUCTS))
  })
  after(async () => {
    await standIn?.stop()
    await deployment?.remove()
    await broker?.close()
  })

  /** The last record of every call, as it lies in the log. */
  async function ledger(): Promise<Call[]> {
    const { committed } = await broker.read([deployment.topic('calls')])
    return [...new Map(committed.map(({ key, value }) => [key!, JSON.parse(String(value)) as Call])).values()]
  }

  test('what they spent stands in the ledger, call by call', async (t) => {
    const next = random(seed(t))
    const run = () => startSluice(['run', 'classify', 'fallback', '--config', deployment.config])
    let crashes = 0
    for (let round = 0; round < ROUNDS; round++) {
      const before = standIn.counters().calls
      const both = Array.from({ length: PROCESSES }, run)
      await eventually('calls', 60_000, () => standIn.counters().calls >= before + CALLS_A_ROUND || undefined, 5)
      for (const process of both) {
        await sleep(next() * 100)
        process.signal('SIGKILL')
        crashes++
      }
      await Promise.all(both.map(({ ended }) => ended))
    }
    const last = run()
    await finished(broker, deployment, TASKS, 'all', 90_000)
    last.signal('SIGTERM')
    assert.equal(await last.ended, 0, last.tail())

    const calls = (await ledger()).filter(({ state }) => state !== 'failed')
    const charged = new Map(Object.entries(standIn.counters().byCall))
    const open = calls.filter(({ state }) => state === 'reserved')
    const returned = calls.filter(({ state }) => state !== 'reserved')
    const [ours, theirs] = [sum(calls), sum([...charged.values()])]
    t.diagnostic(
      `${crashes} crashes; ${calls.length} calls, ${open.length} never returned; ledger ${ours} tokens, provider ${theirs}`,
    )
    for (const { id, inputTokens, cachedInputTokens, outputTokens } of returned)
      assert.deepEqual({ inputTokens, cachedInputTokens, outputTokens }, charged.get(id), id)
    for (const call of open) assert.ok(tokens(call) >= tokens(charged.get(call.id) ?? NOTHING) && call.costUsd > 0)
    const written = new Set(calls.map(({ id }) => id))
    assert.deepEqual(
      [...charged.keys()].filter((id) => !written.has(id)),
      [],
      'charged, but not in the ledger',
    )
    assert.ok(ours >= theirs)
    assert.ok(calls.length - charged.size <= crashes, 'a crash leaves one call at most that was never made')
    assert.ok(open.length <= crashes, 'a crash cuts one call off at most')

    const { outcomes } = await audit(broker, deployment, TASKS, { finished: 'all' })
    const booked = new Set(calls.flatMap(({ state, items }) => (state === 'booked' ? items : [])))
    const ended = outcomes.filter(({ headers }) => headers['sluice-tier'] === 'llm')
    assert.deepEqual(
      ended.map(({ headers }) => headers['sluice-item']!).filter((item) => !booked.has(item)),
      [],
      'answered by the LLM, but by no call that is booked',
    )
    assert.ok(ended.length > 0 && booked.size >= ended.length)

    const { code, text } = await sluice(['cost', '--by', 'tier', '--json', '--config', deployment.config])
    assert.equal(code, 0, text)
    const { total } = JSON.parse(text) as { total: Charge & { calls: number; items: number; withoutUsd: number } }
    assert.deepEqual([total.calls, total.items, tokens(total)], [calls.length, PRODUCTS, ours])
    assert.ok(total.withoutUsd > 0)
  })
})

const NOTHING: Charge = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }
