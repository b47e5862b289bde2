// `sluice produce` with rows that cannot be sent: which line it is, and never what stands in it.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createDeployment } from '../support/deployment.ts'
import type { TestDeployment } from '../support/deployment.ts'
import { sluice } from '../support/sluice.ts'
import { noStack } from '../support/stack.ts'

const GOOD = JSON.stringify({ id: 'p1', title: 'Milk', brand: null, price: null, updatedAt: null })

describe('sluice produce', { skip: noStack }, () => {
  let deployment: TestDeployment
  before(async () => {
    deployment = await createDeployment('produce', { tasks: ['taxonomy'], withoutModel: true })
  })
  after(() => deployment.remove())

  async function produce(...lines: string[]) {
    const file = join(deployment.folder, 'rows.jsonl')
    await writeFile(file, lines.join('\n'))
    return sluice(['produce', '--topic', 'products', '--file', file, '--config', deployment.config])
  }

  test('to a topic that is not there: SL202 with its name', async () => {
    const { code, text } = await produce(GOOD)
    assert.equal(code, 1, text)
    assert.match(text, new RegExp(`SL202 .*${deployment.topic('products')}\n.*topics apply`))
  })

  for (const [what, row, says] of [
    ['with a field of another type', GOOD.replace('"Milk"', '["secret"]'), 'title does not fit'],
    ['with a field too few', '{"title":"secret"}', 'id does not fit'],
    ['that is no object', '["secret"]', 'not a JSON object'],
    ['that is not JSON', '{"title":"secret', 'not JSON'],
  ] as const)
    test(`a row ${what}: SL502 with file and line, not the value`, async () => {
      await deployment.apply()
      const { code, text } = await produce(GOOD, '', row, GOOD)
      assert.equal(code, 1, text)
      assert.match(text, /SL502 .*rows\.jsonl, line 3: /)
      assert.ok(text.includes(says), text)
      assert.doesNotMatch(text, /secret|^\s+at /m)
    })

  test('good rows: how many were sent', async () => {
    await deployment.apply()
    const { code, text } = await produce(GOOD, GOOD)
    assert.deepEqual([code, text.trim()], [0, `2 events sent to ${deployment.topic('products')}`])
  })
})
