// `sluice train` and `sluice evaluate` as a user runs them, each in a process of its own.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { shopRows } from '../support/lexical.ts'
import type { Manifest } from '../../src/ports/manifest.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

const TOPICS = fileURLToPath(new URL('../../topics', import.meta.url))
const SCHEMAS = fileURLToPath(new URL('../../schemas', import.meta.url))
const ROOT_CONFIG = fileURLToPath(new URL('../../sluice.yaml', import.meta.url))

let dir: string
let data: string
let held: string

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const jsonl = (rows: readonly unknown[]) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`

function sluice(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

/** Every number of a value, in all the ways that a card may round it; numbers within texts as they stand. */
function figuresOf(value: unknown): Set<string> {
  if (typeof value === 'string') return new Set(value.match(/\d+\.\d+/g))
  if (typeof value === 'object' && value !== null)
    return new Set(Object.values(value).flatMap((one) => [...figuresOf(one)]))
  const number = Number(value)
  return new Set([
    ...[number, Number(number.toPrecision(4))].map(String),
    ...[1, 2, 3].flatMap((digits) => [number, 100 * number, number / 1e6].map((one) => one.toFixed(digits))),
  ])
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-train-'))
  data = join(dir, 'shop.jsonl.gz')
  held = join(dir, 'held.jsonl')
  await writeFile(data, gzipSync(jsonl(shopRows(300))))
  await writeFile(held, jsonl([...shopRows(100, 9), { title: 'green tea', label: ['garden', 'seeds'] }]))
})
after(() => rm(dir, { recursive: true, force: true }))

describe('sluice train and evaluate', () => {
  it('make a model folder with no further option, and measure it', { timeout: 300_000 }, async () => {
    const out = join(dir, 'model')
    const trained = await sluice('train', '--data', data, '--out', out, '--json')
    assert.equal(trained.code, 0, trained.stderr)
    assert.deepEqual((await readdir(out)).sort(), [
      'calibration.json',
      'card.md',
      'curve.svg',
      'labels.json',
      'manifest.json',
      'model.onnx',
    ])
    const printed = figuresOf(JSON.parse(trained.stdout))
    const card = await readFile(join(out, 'card.md'), 'utf8')
    assert.match(card, /^ {4}sluice train --data .* --seed 1 --json$/m)
    const figures = card.match(/\d+\.\d+/g) ?? []
    assert.ok(figures.length > 5)
    assert.deepEqual(
      figures.filter((figure) => !printed.has(figure)),
      [],
      'the command of the card prints them all',
    )
    const evaluated = await sluice('evaluate', '--model', out, '--data', held, '--json')
    assert.equal(evaluated.code, 0, evaluated.stderr)
    const found = JSON.parse(evaluated.stdout) as Record<string, unknown> & { accuracy: { l1: number; l2: number } }
    assert.ok(found.accuracy.l2 > 0.9 && found.accuracy.l2 < 1, evaluated.stdout)
    assert.equal(found['unknownLabels'], 1)
    for (const key of ['macroF1', 'perClass', 'top3', 'top5', 'coverage', 'selectiveAccuracy', 'ece', 'itemsPerSecond'])
      assert.ok(key in found, key)
  })

  it('write the same bytes for the same seed', { timeout: 300_000 }, async () => {
    const out = join(dir, 'model')
    const digests = async () => {
      const names = (await readdir(out)).sort()
      return Promise.all(names.map(async (name) => [name, sha256(await readFile(join(out, name)))]))
    }
    const before = await digests()
    const again = await sluice('train', '--data', data, '--out', out, '--json')
    assert.equal(again.code, 0, again.stderr)
    assert.deepEqual(await digests(), before)
  })

  it(
    'train for a task: its rows, its label set, its segments, a candidate in its folder',
    { timeout: 300_000 },
    async () => {
      const task = join(dir, 'models/desk')
      await mkdir(join(task, 'data'), { recursive: true })
      const config = join(dir, 'sluice.yaml')
      await writeFile(config, `topics: {dir: ${TOPICS}, schemas_dir: ${SCHEMAS}}\ntasks: {enabled: [desk]}\n`)
      await writeFile(
        join(task, 'task.yaml'),
        'topic: products\nentity: "{id}"\nsegments: {subject: "{title}"}\ninstruction: sort\n',
      )
      const paths = [...new Set(shopRows(300).map(({ label }) => label.join(' > ')))].map((path) => path.split(' > '))
      await writeFile(join(task, 'labels.json'), JSON.stringify({ paths: [...paths, ['toys', 'kites']] }))
      const rows = shopRows(300).map(({ title, label }) => ({ subject: title, label }))
      await writeFile(join(task, 'data/rows.jsonl'), jsonl(rows))
      const { code, stderr } = await sluice('train', '--task', 'desk', '--config', config)
      assert.equal(code, 0, stderr)
      assert.match(stderr, /1 labels of the task have no row/)
      const manifest = JSON.parse(await readFile(join(task, 'candidate/manifest.json'), 'utf8')) as Manifest
      assert.deepEqual([manifest.segments, manifest.labels.paths], [['subject'], 5])
      const evaluated = await sluice(
        'evaluate',
        '--model',
        join(task, 'candidate'),
        '--data',
        join(task, 'data/rows.jsonl'),
        '--json',
      )
      assert.ok((JSON.parse(evaluated.stdout) as { accuracy: { l2: number } }).accuracy.l2 > 0.95, evaluated.stdout)
    },
  )

  it('stop at Ctrl-C, say that nothing was written, and leave nothing', { timeout: 300_000 }, async () => {
    const big = join(dir, 'big.jsonl') // trains for longer than a signal can take
    await writeFile(big, jsonl(shopRows(4000)))
    const names = await readdir(dir)
    const child = spawn(process.execPath, [MAIN, 'train', '--data', big, '--out', join(dir, 'stopped')])
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('epoch 1/') && !child.killed) child.kill('SIGINT')
    })
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 1, said)
    assert.match(said, /SL505 interrupted: nothing was written/)
    assert.deepEqual(await readdir(dir), names)
  })

  const wrong: Record<string, { args: () => string[]; code: number; says: RegExp }> = {
    'an unknown option': { args: () => ['train', '--dat', data], code: 2, says: /SL104.*--data/s },
    'a kind that does not learn from such rows': {
      args: () => ['train', '--kind', 'pair-stack', '--data', data, '--out', join(dir, 'x')],
      code: 2,
      says: /pair-stack learns from pairs, the rows are titles: for them lexical, encoder, stack, transformer/,
    },
    'an unknown kind': { args: () => ['train', '--kind', 'lexcal', '--data', data], code: 2, says: /mean lexical/ },
    'more folds than there are fifths': {
      args: () => ['train', '--kind', 'lexical', '--folds', '6', '--data', data, '--out', join(dir, 'x')],
      code: 2,
      says: /SL104.*--folds is a whole number from 1 to 5, not "6"/,
    },
    'folds of a kind that was not named': {
      args: () => ['train', '--folds', '2', '--data', data, '--out', join(dir, 'x')],
      code: 2,
      says: /SL104.*--folds belongs to --kind lexical/,
    },
    'folds beside tuning': {
      args: () => ['train', '--kind', 'stack', '--folds', '2', '--tune', '1', '--data', data, '--out', join(dir, 'x')],
      code: 2,
      says: /SL104.*a tuned encoder has seen every part but the first/,
    },
    'a task without rows': {
      args: () => ['train', '--task', 'taxonomy', '--config', ROOT_CONFIG],
      code: 2,
      says: /SL104.*taxonomy has no rows in/s,
    },
    'no data': { args: () => ['train', '--out', join(dir, 'x')], code: 2, says: /needs --data/ },
    'a file that is not there': {
      args: () => ['train', '--data', join(dir, 'none.jsonl'), '--out', join(dir, 'x')],
      code: 2,
      says: /SL102.*none\.jsonl/s,
    },
    'a folder with other files in it': { args: () => ['train', '--data', data, '--out', dir], code: 2, says: /SL102/ },
    'a model that is not there': {
      args: () => ['evaluate', '--model', join(dir, 'none'), '--data', held],
      code: 1,
      says: /SL501.*manifest\.json/s,
    },
    'both a task and a model': {
      args: () => ['evaluate', '--model', dir, '--task', 't', '--data', held],
      code: 2,
      says: /either/,
    },
  }
  for (const [name, { args, code, says }] of Object.entries(wrong))
    it(`${name}: a clear error`, async () => {
      const ended = await sluice(...args())
      assert.equal(ended.code, code, ended.stderr)
      assert.match(ended.stderr, says)
    })

  it('a line that is not JSON is named', async () => {
    const broken = join(dir, 'broken.jsonl')
    await writeFile(broken, `${jsonl(shopRows(3))}{"title": \n`)
    const { code, stderr } = await sluice('train', '--data', broken, '--out', join(dir, 'x'))
    assert.equal(code, 1)
    assert.match(stderr, /SL502.*broken\.jsonl, line 4/)
  })
})
