// llm.budget of sluice.yaml: bounded unless somebody says otherwise, and refused where it cannot be meant.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { loadDeployment } from '../../src/adapters/config/load.ts'

const ROOT = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'sluice-budget-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function load(llm: object, redis = '') {
  const file = join(folder, 'sluice.yaml')
  const dirs = { topics: { dir: join(ROOT, 'topics'), schemas_dir: join(ROOT, 'schemas') } }
  const tasks = { dir: join(ROOT, 'models'), enabled: ['taxonomy'] }
  writeFileSync(file, JSON.stringify({ tasks, ...dirs, llm, redis: { url: redis } }, undefined, 1))
  return loadDeployment(file, {})
}
const refused = (llm: object, says: RegExp) =>
  assert.rejects(load(llm), (error: Error) => says.test(error.message) || assert.fail(error.message))

describe('the budget in the configuration', () => {
  test('bounds a day unless told otherwise', async () => {
    const { budget } = (await load({})).config.llm
    assert.deepEqual(budget, { minute: {}, day: { tokens: 1e9, usd: 50 }, tasks: {}, processes_max: 4 })
    const { day } = (await load({ budget: { day: { usd: 3 } } })).config.llm.budget
    assert.deepEqual(day, { tokens: 1e9, usd: 3 })
  })

  test('has no key that nobody knows', async () => {
    await refused({ budget: { hour: { usd: 3 } } }, /unknown key "llm\.budget\.hour"/)
    await refused({ budget: { day: { usds: 3 } } }, /did you mean "usd"/)
    await refused({ budget: { tasks: { taxonomy: { day: { token: 3 } } } } }, /did you mean "tokens"/)
  })

  test('is above nothing and below too much', async () => {
    await refused({ budget: { day: { usd: 0 } } }, /llm\.budget\.day\.usd/)
    await refused({ budget: { minute: { tokens: -1 } } }, /llm\.budget\.minute\.tokens/)
    await refused({ budget: { day: { usd: 1e9 } } }, /llm\.budget\.day\.usd/)
    await refused({ budget: { processes_max: 0 } }, /llm\.budget\.processes_max/)
  })

  test('is of tasks that there are', () =>
    refused({ budget: { tasks: { taxonmy: {} } } }, /"taxonmy" is not in tasks\.enabled \(did you mean "taxonomy"\?\)/))

  test('must hold one call: a process’s own part without Redis, nine tenths of all with it', async () => {
    const budget = { minute: { tokens: 20_000 } }
    await refused({ budget }, /5000 tokens a minute is this process's part, and one reply may take .*, 8000/)
    await load({ budget }, 'redis://127.0.0.1:1')
    await load({ budget: { ...budget, processes_max: 1 } })
  })

  test('must hold one call in dollars as well, by the prices of whoever may be asked', async () => {
    const prices = { m: { input: 1, cached_input: 0.1, output: 10 } }
    const given = { model: 'm', prices, budget: { day: { usd: 0.3 } } }
    await refused(given, /0\.075 dollars a day is this process's part, and one reply may cost 0\.0805/)
    await load({ ...given, output_tokens_max: 7_000 })
    await load({ ...given, prices: {} })
  })
})
