// The file of answers: what was put is there for the next process, and half a line is no line.
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openCallStore } from '../../src/adapters/files/call-store.ts'
import type { StoredCall } from '../../src/ports/call-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-calls-'))
after(() => rmSync(folder, { recursive: true }))

const call = (text: string): StoredCall => ({
  heard: { kind: 'reply', text, finish: 'stop' },
  usage: { inputTokens: 100, cachedInputTokens: 10, outputTokens: 5 },
  reported: true,
  elapsed_ms: 12.5,
})
const rejected: StoredCall = { ...call(''), heard: { kind: 'rejected' } }

describe('the store of calls', () => {
  test('gives back after opening again what was put, and adds up its usage', async () => {
    const file = join(folder, 'deep', 'down', 'a.jsonl')
    const store = await openCallStore(file)
    await store.put('one', call('ä "quoted"\n'))
    await store.put('two', rejected)
    assert.deepEqual(store.get('one'), call('ä "quoted"\n'))
    await store.close()
    const again = await openCallStore(file)
    assert.deepEqual(
      [again.get('one'), again.get('two'), again.get('three')],
      [call('ä "quoted"\n'), rejected, undefined],
    )
    assert.deepEqual(again.total(), { inputTokens: 200, cachedInputTokens: 20, outputTokens: 10 })
    await again.close()
  })

  test('skips what a kill cut in half, and appends after it', async () => {
    const file = join(folder, 'cut.jsonl')
    const store = await openCallStore(file)
    await store.put('one', call('x'))
    await store.put('two', call('y'))
    await store.close()
    const whole = readFileSync(file, 'utf8')
    writeFileSync(file, whole.slice(0, -20))
    const cut = await openCallStore(file)
    assert.deepEqual([cut.get('one'), cut.get('two')], [call('x'), undefined])
    await cut.put('three', call('z'))
    await cut.close()
    const last = await openCallStore(file)
    assert.deepEqual([last.get('one'), last.get('two'), last.get('three')], [call('x'), undefined, call('z')])
    await last.close()
  })

  test('skips lines of another form', async () => {
    const file = join(folder, 'foreign.jsonl')
    appendFileSync(file, '{"key":"one"}\nnull\n{"key":"two","heard":{"kind":"reply"},"usage":{},"elapsed_ms":-1}\n')
    const store = await openCallStore(file)
    assert.deepEqual([store.get('one'), store.get('two'), store.total().inputTokens], [undefined, undefined, 0])
    await store.close()
  })

  test('that cannot be opened names the file', async () => {
    await assert.rejects(openCallStore(folder), { code: 'SL102', message: new RegExp(folder) })
  })
})
