import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { readLines } from '../../src/adapters/files/rows.ts'
import { SluiceError } from '../../src/core/error.ts'

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-rows-'))
})
after(() => rm(dir, { recursive: true, force: true }))

async function read(name: string, bytes?: Uint8Array | string): Promise<unknown[]> {
  if (bytes !== undefined) await writeFile(join(dir, name), bytes)
  const lines = []
  for await (const { number, value } of readLines(join(dir, name))) lines.push([number, value])
  return lines
}

describe('rows of a file', () => {
  it('come with their line numbers, plain or gzip; empty lines are skipped', async () => {
    const text = '{"a":1}\n\n{"b":"é"}'
    const expected = [
      [1, { a: 1 }],
      [3, { b: 'é' }],
    ]
    assert.deepEqual(await read('plain.jsonl', text), expected)
    assert.deepEqual(await read('packed.jsonl.gz', gzipSync(text)), expected)
  })

  it('that are not JSON are named by file and line, not quoted', async () => {
    await assert.rejects(read('odd.jsonl', '{}\n{"secret":'), (error: Error) => {
      assert.ok(!inspect(error).includes('secret'))
      return isError('SL502', /odd\.jsonl, line 2: not JSON$/)(error)
    })
  })

  for (const [how, name, bytes] of [
    ['missing', 'none.jsonl', undefined],
    ['missing and packed', 'none.jsonl.gz', undefined],
    ['not gzip at all', 'false.jsonl.gz', '{"a":1}\n'],
    ['cut short', 'short.jsonl.gz', gzipSync('{"a":1}\n'.repeat(1000)).subarray(0, 30)],
  ] as const)
    it(`of a file that is ${how}: an error that names it, never a wait`, { timeout: 60_000 }, async () => {
      await assert.rejects(read(name, bytes), isError('SL102', new RegExp(name)))
    })
})

function isError(code: string, says: RegExp) {
  return (error: unknown) => error instanceof SluiceError && error.code === code && says.test(error.message)
}
