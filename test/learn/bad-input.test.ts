// What `sluice train` says of data that something is wrong with: a clear error, or a counted warning that names a line.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { firstRow, readRows } from '../../src/cli/train-rows.ts'
import { labelSet } from '../../src/core/labels.ts'
import { SluiceError } from '../../src/core/error.ts'
import { taxonomyExamples } from '../../src/learn/examples.ts'
import { relevanceExamples } from '../../src/learn/pair/examples.ts'
import { shopRows } from '../support/lexical.ts'

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-bad-'))
})
after(() => rm(dir, { recursive: true, force: true }))

type Bytes = string | Uint8Array

const jsonl = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const SHOP = shopRows(300)
const shop = (...more: unknown[]) => jsonl([...SHOP, ...more])
const many = (row: unknown) => shop(...Array.from({ length: 30 }, () => row))
const latin1 = (text: string) => Buffer.from(text, 'latin1')
const pairs = (...more: unknown[]) =>
  jsonl([
    ...Array.from({ length: 120 }, (_, at) => ({
      query: `thing ${at}`,
      product: { id: `p${at}`, title: at % 2 === 0 ? `thing ${at} blue` : 'other' },
      label: at % 2 === 0 ? 'exact' : 'irrelevant',
    })),
    ...more,
  ])

/** Label set of a task; `labels` of a case that says so come with it. */
const TASK = { labels: labelSet([...SHOP.map(({ label }) => label), ['toys', 'kites']]), segments: segments('title') }

function segments(...names: string[]) {
  return names.map((name) => ({ name, text: [] as never }))
}

interface Case {
  readonly bytes: () => Bytes
  readonly name?: string
  readonly error?: { readonly code: string; readonly says: RegExp }
  readonly warning?: RegExp
  readonly task?: typeof TASK
}

const TEXTS: Readonly<Record<string, Case>> = {
  'a row without a label': {
    bytes: () => shop({ title: 'lamp' }),
    warning: /^1 of 301 rows left out: have no label .*: data\.jsonl:301$/,
  },
  'many rows without a label': {
    bytes: () => many({ title: 'lamp' }),
    error: { code: 'SL502', says: /30 of 330 rows cannot be used: have no label .*data\.jsonl:301, .*, …/ },
  },
  'a label outside the set': {
    bytes: () => shop({ title: 'lamp', label: ['home', 'sofas'] }),
    task: TASK,
    warning: /1 of 301 rows left out: have a label outside the task's label set: data\.jsonl:301/,
  },
  'many labels outside the set': {
    bytes: () => many({ title: 'lamp', label: ['home', 'sofas'] }),
    task: TASK,
    error: { code: 'SL502', says: /30 of 330 rows .*label set: data\.jsonl:301/ },
  },
  'a label of the set that no row has': {
    bytes: () => shop(),
    task: TASK,
    warning: /1 labels of the task have no row/,
  },
  'one class': {
    bytes: () => jsonl(SHOP.map((row) => ({ ...row, label: ['all'] }))),
    error: { code: 'SL502', says: /300 rows with 1 label: there is nothing to tell apart/ },
  },
  'ids twice': {
    bytes: () => shop({ ...SHOP[0], title: 'again' }, { ...SHOP[1], title: 'again' }),
    warning: /^rows kept that have the id of an earlier row of their file: data\.jsonl:301, data\.jsonl:302$/,
  },
  'an empty text': {
    bytes: () => shop({ title: ' \u200b ', label: ['home', 'lamps'] }),
    warning: /1 of 301 rows left out: have no title: data\.jsonl:301/,
  },
  'a label with one row': {
    bytes: () => shop({ title: 'kite', label: ['toys', 'kites'] }),
    warning: /1 of 5 labels have one row: .*data\.jsonl:301/,
  },
  'labels of different depths': {
    bytes: () => shop({ title: 'kite', label: ['toys'] }),
    warning: /1 of 301 rows left out: have labels of another depth than 2: data\.jsonl:301/,
  },
  'many labels of different depths': {
    bytes: () => many({ title: 'kite', label: ['toys'] }),
    error: { code: 'SL502', says: /30 of 330 rows .*another depth than 2/ },
  },
  'several things wrong at once: each with its count': {
    bytes: () => shop({ title: 'lamp' }, { title: '', label: ['home', 'lamps'] }, 7),
    warning:
      /^3 of 303 rows left out: .*no label .*\(1\): data\.jsonl:301; have no title \(1\): .*302; are no objects \(1\): .*303$/,
  },
  'a line that is not JSON': {
    bytes: () => `${shop()}{"title": \n`,
    error: { code: 'SL502', says: /data\.jsonl, line 301: not JSON$/ },
  },
  'another encoding in the texts': {
    bytes: () => latin1(many({ title: 'café', label: ['home', 'lamps'] })),
    error: { code: 'SL502', says: /30 of 330 rows .*another encoding than UTF-8.*data\.jsonl:301/ },
  },
  'a few damaged characters': {
    bytes: () => shop({ title: 'caf\uFFFD', label: ['home', 'lamps'] }),
    warning: /^rows kept that hold U\+FFFD.*: data\.jsonl:301$/,
  },
  'UTF-16': {
    bytes: () => Buffer.from(`\uFEFF${shop()}`, 'utf16le'),
    error: { code: 'SL502', says: /data\.jsonl, line 1: not JSON, nor UTF-8: save the file as UTF-8/ },
  },
  'a packed file cut short': {
    name: 'data.jsonl.gz',
    bytes: () => gzipSync(shop()).subarray(0, 700),
    error: { code: 'SL102', says: /data\.jsonl\.gz: is cut short/ },
  },
  'an empty file': { bytes: () => '', error: { code: 'SL502', says: /data\.jsonl: no rows/ } },
  'pairs where texts are wanted': {
    bytes: () => pairs(),
    error: { code: 'SL502', says: /120 of 120 rows cannot be used: have no label|have no title/ },
  },
}

const PAIRS: Readonly<Record<string, Case>> = {
  'a pair without a label': {
    bytes: () => pairs({ query: 'x', product: { title: 'y' } }),
    warning: /1 of 121 rows left out: have no label .*data\.jsonl:121/,
  },
  'an empty query': {
    bytes: () => pairs({ query: ' ', product: { title: 'y' }, label: 'exact' }),
    warning: /1 of 121 rows left out: have no query: data\.jsonl:121/,
  },
  'pairs of one class': {
    bytes: () => pairs().replaceAll('irrelevant', 'exact'),
    error: { code: 'SL502', says: /120 rows with 1 label/ },
  },
  'texts where pairs are wanted': {
    bytes: () => shop(),
    error: { code: 'SL502', says: /300 of 300 rows cannot be used: have no query/ },
  },
}

async function warningsOf({ bytes, name = 'data.jsonl', task }: Case, pair: boolean): Promise<readonly string[]> {
  const file = join(dir, name)
  await writeFile(file, bytes())
  await firstRow([file])
  const { rows } = await readRows([file], new AbortController().signal)
  const data = pair ? relevanceExamples(await Array.fromAsync(rows)) : await taxonomyExamples(rows, task)
  return data.warnings
}

describe('data that something is wrong with', () => {
  for (const [cases, pair] of [
    [TEXTS, false],
    [PAIRS, true],
  ] as const)
    for (const [what, one] of Object.entries(cases))
      it(`${what}: ${one.error ? `error ${one.error.code}` : 'a counted warning'}`, { timeout: 60_000 }, async () => {
        const said = warningsOf(one, pair)
        if (one.error) await assert.rejects(said, (error) => isError(error, one.error!))
        else
          assert.ok(
            (await said).some((line) => one.warning!.test(line)),
            (await said).join('\n'),
          )
      })

  it('that is good: no warning', async () => {
    assert.deepEqual(await warningsOf({ bytes: () => shop() }, false), [])
    assert.deepEqual(await warningsOf({ bytes: () => `\uFEFF${shop()}` }, false), [])
    assert.deepEqual(await warningsOf({ bytes: () => pairs() }, true), [])
  })

  it('of a task: the model gets the segments and the whole label set of the task, whatever the rows hold', async () => {
    const rows = SHOP.map(({ title, label }, line) => ({ file: 'f', line, value: { subject: title, label } }))
    const data = await taxonomyExamples(rows, { ...TASK, segments: segments('subject', 'body') })
    assert.deepEqual(data.segments, ['subject', 'body'])
    assert.equal(data.labels, TASK.labels)
    assert.deepEqual(data.examples[0]!.texts.length, 2)
  })
})

function isError(error: unknown, { code, says }: NonNullable<Case['error']>): boolean {
  assert.ok(error instanceof SluiceError, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, says)
  return true
}
