// `sluice calibrate` as a user runs it, in processes of its own, on a model of a made-up shop whose labels are noisy.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readModelFolder, writeModelFolder } from '../../../src/adapters/files/model-folder.ts'
import { fileDigest } from '../../../src/adapters/files/rows.ts'
import { openModel } from '../../../src/adapters/onnx/model.ts'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { run } from '../../../src/cli/calibrate.ts'
import { packIndex, titleIndex } from '../../../src/core/lexical/nearest.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { random } from '../../../src/core/random.ts'
import { calibrate } from '../../../src/learn/calibrate/calibrate.ts'
import { METHODS } from '../../../src/learn/calibrate/calibrator.ts'
import { silent } from '../../../src/ports/events.ts'
import { shopModel, shopRows } from '../../support/lexical.ts'
import type { ErrorCode } from '../../../src/core/error.ts'
import type { CalibrateTools } from '../../../src/learn/calibrate/calibrate.ts'

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const TOOLS: CalibrateTools = {
  runtime,
  open: (folder) => openModel(folder, { workers: 1, emit: silent, task: 'shop' }),
  signal: new AbortController().signal,
  report: () => {},
}

let dir: string
let model: string
let data: string

const jsonl = (rows: readonly unknown[]) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`

async function file(name: string, rows: readonly unknown[]): Promise<string> {
  await writeFile(join(dir, name), jsonl(rows))
  return join(dir, name)
}

function sluice(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, 'calibrate', ...args], (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

/** Rows of the shop, a share of them with the label of another row. */
function noisyRows(count: number, seed: number, share: number) {
  const rows = shopRows(count, seed)
  const next = random(seed)
  return rows.map((row) => (next() < share ? { ...row, label: rows[Math.floor(next() * count)]!.label } : row))
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-calibrate-'))
  model = join(dir, 'model')
  const folder = await shopModel()
  await writeModelFolder(model, { ...folder, files: { 'card.md': '# Model card\n\n## Limits\n- none\n' } })
  data = await file('tail.jsonl', noisyRows(900, 5, 0.01))
})
after(() => rm(dir, { recursive: true, force: true }))

interface Figures {
  readonly rows: number
  readonly coverage: number
  readonly thresholds: number[]
  readonly certificate: {
    readonly bound: number
    readonly passed: number
    readonly errors: number
    readonly grid: number[]
  }
}

describe('sluice calibrate', { concurrency: 2 }, () => {
  test('writes thresholds, certificate and curve into a folder that serves, and changes no answer', async () => {
    const out = join(dir, 'certified')
    const { code, stdout, stderr } = await sluice(
      '--model',
      model,
      '--data',
      data,
      '--target-precision',
      '0.9',
      '--out',
      out,
      '--json',
    )
    assert.equal(code, 0, stderr)
    const figures = JSON.parse(stdout) as Figures
    assert.equal(figures.rows, 900)
    assert.ok(figures.certificate.bound >= 0.9 && figures.coverage > 0.5, stdout)
    assert.deepEqual((await readdir(out)).sort(), [
      'calibration.json',
      'card.md',
      'labels.json',
      'manifest.json',
      'model.onnx',
      'reliability.svg',
    ])
    const folder = await readModelFolder(out)
    assert.deepEqual(folder.manifest.thresholds, figures.thresholds)
    assert.equal(folder.manifest.certificate?.data[0]?.rows, 900)
    assert.deepEqual(folder.model, (await readModelFolder(model)).model)
    assert.match(await readFile(join(out, 'reliability.svg'), 'utf8'), /^<svg[^]*<\/svg>\n$/)
    assert.match(await readFile(join(out, 'card.md'), 'utf8'), /## Limits[^]*## Calibration[^]*tail\.jsonl/)
  })

  for (const method of METHODS)
    test(`${method} fits on one half, certifies on the other, and serves what it certified; twice is once`, async () => {
      const rows = noisyRows(900, 5, 0.01).map(({ title, label }) => ({ texts: [title], label }))
      const job = { rows, method, target: { precision: 0.9, delta: 0.05 }, files: [] }
      const first = await calibrate({ ...job, folder: await readModelFolder(model) }, TOOLS)
      assert.equal(first.certified.kind, 'certified')
      const { certificate, thresholds, golden } = first.folder.manifest
      assert.ok(certificate!.rows > 350 && certificate!.rows + first.fitRows === 900)
      const out = join(dir, method)
      await writeModelFolder(out, { ...first.folder, files: {} })
      const opened = await openModel(await readModelFolder(out), { workers: 1, emit: silent, task: 'shop' })
      try {
        const said = await opened.classify(
          rows.map(({ texts }) => texts),
          { shortlist: 1 },
        )
        const passing = said.filter((one) => one!.probabilities.every((value, level) => value >= thresholds[level]!))
        // Of all rows here, of one half there: about the same.
        const coverage = certificate!.passed / certificate!.rows
        assert.ok(Math.abs(passing.length / 900 - coverage) < 0.1, `${passing.length / 900} ${coverage}`)
      } finally {
        await opened.close()
      }
      const second = await calibrate({ ...job, folder: await readModelFolder(out) }, TOOLS)
      assert.deepEqual(second.folder.manifest.certificate, certificate)
      assert.deepEqual(second.folder.manifest.golden, golden)
      assert.deepEqual(second.after, first.after)
    })

  test('a method takes the place of the titles that a model asks; to certify alone, they are asked', async () => {
    const rows = noisyRows(900, 5, 0.01).map(({ title, label }) => ({ texts: [title], label }))
    const plain = await readModelFolder(model)
    const weights = plain.manifest.thresholds.map(() => ({ bias: 0.1, own: 1, near: 1 }))
    const index = packIndex(titleIndex([['desk lamp led premium', '']], [0])!)
    const calibration = { method: 'nearest', nearest: weights } as const
    const folder = { ...plain, parts: { 'nearest.bin': index }, manifest: { ...plain.manifest, calibration } }
    const job = { folder, rows, target: { precision: 0.9, delta: 0.05 }, files: [] }
    const certified = await calibrate({ ...job, method: undefined }, TOOLS)
    assert.deepEqual(certified.folder.manifest.calibration, calibration)
    assert.deepEqual(certified.folder.parts, folder.parts)
    const replaced = await calibrate({ ...job, method: 'isotonic' }, TOOLS)
    assert.equal(replaced.folder.manifest.calibration!.method, 'isotonic')
    assert.deepEqual(replaced.folder.parts, {})
  })

  test('--dry-run says what it found and writes nothing', async () => {
    const out = join(dir, 'dry')
    const { code, stdout } = await sluice(
      '--model',
      model,
      '--data',
      data,
      '--target-precision',
      '0.9',
      '--out',
      out,
      '--dry-run',
    )
    assert.equal(code, 0)
    assert.match(stdout, /coverage +\d+\.\d %[^]*certified +at least/)
    await assert.rejects(readdir(out))
  })

  test('refuses too few rows with exit code 1 and the number that would do, and the model stays as it was', async () => {
    const before = await readFile(join(model, 'manifest.json'), 'utf8')
    const { code, stderr } = await sluice('--model', model, '--data', await file('few.jsonl', shopRows(60, 9)))
    assert.equal(code, 1, stderr)
    assert.match(stderr, /SL506.*about \d+ labelled rows are needed/s)
    assert.equal(await readFile(join(model, 'manifest.json'), 'utf8'), before)
  })

  const refused: Record<string, { rows: () => unknown[]; args?: () => string[]; code: ErrorCode; says: RegExp }> = {
    'labels that are mostly wrong': { rows: () => noisyRows(600, 9, 0.9), code: 'SL506', says: /no threshold shows/ },
    'a row without a label': {
      rows: () => [...shopRows(5, 9), { title: 'tea' }],
      code: 'SL502',
      says: /line 6.*no label/,
    },
    'labels outside the set only': {
      rows: () => [{ title: 'tea', label: ['garden', 'seeds'] }],
      code: 'SL502',
      says: /none of the 1 labels/,
    },
    'no rows': { rows: () => [], code: 'SL502', says: /no rows/ },
    'too few rows to fit with': {
      rows: () => shopRows(40, 9),
      args: () => ['--method', 'vector'],
      code: 'SL502',
      says: /too few/,
    },
    'a method that is none': {
      rows: () => [],
      args: () => ['--method', 'platt'],
      code: 'SL104',
      says: /temperature, isotonic, vector/,
    },
    'a precision that is no share': {
      rows: () => [],
      args: () => ['--target-precision', '97'],
      code: 'SL104',
      says: /above 0 and below 1/,
    },
    'a delta that is no number': { rows: () => [], args: () => ['--delta', ''], code: 'SL104', says: /--delta/ },
    'a place that holds other files': {
      rows: () => shopRows(5, 9),
      args: () => ['--out', dir],
      code: 'SL102',
      says: /not replaced/,
    },
  }
  for (const [name, { rows, args = () => [], code, says }] of Object.entries(refused))
    test(`${name}: a clear error`, async () => {
      const path = await file(`${name.replaceAll(' ', '-')}.jsonl`, rows())
      await assert.rejects(
        run(['--model', model, '--data', path, '--json', ...args()]),
        (error) => error instanceof SluiceError && error.code === code && says.test(error.message),
      )
    })

  test('told to stop, it stops', async () => {
    const job = {
      method: undefined,
      target: { precision: 0.9, delta: 0.05 },
      files: [],
      folder: await readModelFolder(model),
    }
    const rows = [{ texts: ['tea'], label: ['drinks', 'tea'] }]
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(calibrate({ ...job, rows }, { ...TOOLS, signal }), /enough/)
  })

  test('rows that the model learned from are refused: it is too sure of them', async () => {
    const folder = await readModelFolder(model)
    const trained = join(dir, 'trained')
    const learned = { file: 'tail.jsonl', rows: 900, sha256: await fileDigest(data) }
    await writeModelFolder(trained, { ...folder, manifest: { ...folder.manifest, data: [learned] }, files: {} })
    await assert.rejects(run(['--model', trained, '--data', data]), /trained on this file/)
  })
})
