// What a failed call has cost: nothing where the provider turned it away or was never reached; else nobody knows.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startStandIn, STAND_IN_MODEL } from '../../scripts/llm-stand-in.ts'
import { openAiLlm } from '../../src/adapters/openai/llm.ts'
import { isUnbilled } from '../../src/tiers/llm-providers.ts'
import { promptFor, shopTask } from '../support/llm.ts'
import { freePort } from '../../scripts/stack/ports.ts'
import type { AddressInfo } from 'node:net'
import type { Mode, StandIn } from '../../scripts/llm-stand-in.ts'

describe('a call', () => {
  let standIn: StandIn
  before(async () => {
    const examplesDir = join(import.meta.dirname, '../../examples')
    standIn = await startStandIn({ port: 0, seed: 1, latency_ms: [0, 0], errorRate: 0, examplesDir })
  })
  after(() => standIn?.stop())

  const never = new AbortController().signal
  const complete = (url: string, timeout_ms: number, id?: string) => {
    const llm = openAiLlm({ base_url: url, api_key: 'none', model: STAND_IN_MODEL, timeout_ms })
    return llm.complete({ ...promptFor(shopTask(), ['Food a']), ...(id === undefined ? {} : { id }) }, never)
  }

  test('is charged under the name that it was given', async () => {
    const { usage } = await complete(standIn.url, 20_000, 'a-name')
    await complete(standIn.url, 20_000)
    assert.deepEqual(standIn.counters().byCall, { 'a-name': usage })
  })

  const cases: readonly (readonly [Mode, boolean])[] = [
    ['429', true],
    ['500', true],
    ['400', true],
    ['401', true],
    ['redirect', true],
    ['reset', false],
    ['not-json', false],
    ['huge', false],
  ]
  for (const [mode, unbilled] of cases)
    test(`that ends as ${mode} ${unbilled ? 'has cost nothing' : 'may have cost something'}`, async () => {
      standIn.control({ mode })
      const error: unknown = await complete(standIn.url, 20_000).catch((why: unknown) => why)
      standIn.control({ mode: 'ok' })
      assert.equal(isUnbilled(error), unbilled, String(error))
    })

  test('that nobody answered in time may have cost something', async () => {
    standIn.control({ mode: 'hang' })
    const error: unknown = await complete(standIn.url, 50).catch((why: unknown) => why)
    standIn.control({ mode: 'ok' })
    assert.equal(isUnbilled(error), false)
  })

  for (const [status, unbilled] of [
    [502, false],
    [504, false],
    [520, false],
    [524, false],
    [503, true],
    [529, true],
  ] as const)
    test(`that ends as ${status} ${unbilled ? 'has cost nothing' : 'may have cost something: who says so is in front of the provider'}`, async () => {
      const front = createServer((_, response) => response.writeHead(status).end())
      await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
      const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}/v1`
      const error: unknown = await complete(url, 20_000).catch((why: unknown) => why)
      front.closeAllConnections()
      front.close()
      assert.equal(isUnbilled(error), unbilled, String(error))
    })

  test('that reached nobody has cost nothing', async () => {
    const error: unknown = await complete(`http://127.0.0.1:${await freePort()}/v1`, 20_000).catch(
      (why: unknown) => why,
    )
    assert.equal(isUnbilled(error), true, String(error))
  })
})
