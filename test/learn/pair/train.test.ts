import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readModelFolder, writeModelFolder } from '../../../src/adapters/files/model-folder.ts'
import { fileDigest, readLines } from '../../../src/adapters/files/rows.ts'
import { openModel } from '../../../src/adapters/onnx/model.ts'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { train } from '../../../src/cli/train-pair.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { ACCURACY_COST, figures, fitOffsets, fitTemperature, fitThreshold } from '../../../src/learn/pair/calibrate.ts'
import { parseRelevanceRow, relevanceExamples } from '../../../src/learn/pair/examples.ts'
import { silent } from '../../../src/ports/events.ts'
import type { Evaluation } from '../../../src/cli/evaluate.ts'
import type { Row } from '../../../src/learn/examples.ts'

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const quiet = { update: () => {}, line: () => {}, stop: () => {} }
const THINGS = ['drill', 'saw', 'hose', 'lamp', 'shirt', 'kettle', 'tent', 'guitar', 'mouse', 'desk', 'rake', 'sofa']
const COLOURS = ['red', 'blue', 'green', 'black', 'white']

/** Exact: thing and colour; substitute: the thing in another colour; irrelevant: another thing. */
function madeUp(): Row[] {
  const rows: Row[] = []
  for (const [at, thing] of THINGS.entries())
    for (const colour of COLOURS) {
      const other = COLOURS[(COLOURS.indexOf(colour) + 1) % COLOURS.length]!
      const titles = {
        exact: `${thing} ${colour}`,
        substitute: `${thing} ${other}`,
        irrelevant: `${THINGS[(at + 5) % 12]}`,
      }
      for (const [label, title] of Object.entries(titles))
        for (const brand of ['Acme', 'Orbit'])
          rows.push({
            file: 'made-up.jsonl',
            line: rows.length + 1,
            value: {
              query: `${colour} ${thing}`,
              product: { id: `p${rows.length}`, title: `${title} deluxe`, brand },
              label,
            },
          })
    }
  return rows
}

const job = (rows: readonly Row[]) => ({
  rows,
  files: [{ file: 'made-up.jsonl', rows: rows.length, sha256: 'f'.repeat(64) }],
  options: {},
  seed: 1,
  signal: new AbortController().signal,
  view: quiet,
  command: 'sluice train',
})

describe('training a pair model', () => {
  it('makes a folder that opens, answers, is measured, and is the same to the byte for the same seed', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sluice-pair-'))
    try {
      const first = await train(job(madeUp()))
      const again = await train(job(madeUp()))
      assert.deepEqual(again.folder.model, first.folder.model)
      assert.deepEqual(again.folder.parts, first.folder.parts)
      await writeModelFolder(join(dir, 'm'), first.folder)
      const model = await openModel(await readModelFolder(join(dir, 'm')), { workers: 1, emit: silent, task: 'test' })
      try {
        const answers = await model.classify(
          [
            ['red drill', 'Acme drill red deluxe', ''],
            ['red drill', 'Acme hose deluxe', ''],
          ],
          { shortlist: 3 },
        )
        assert.deepEqual(
          answers.map((answer) => answer?.label),
          [['exact'], ['irrelevant']],
        )
        assert.equal(answers[0]?.shortlist.length, 3)
      } finally {
        await model.close()
      }
      const data = join(dir, 'rows.jsonl')
      await writeFile(
        data,
        madeUp()
          .map(({ value }) => JSON.stringify(value))
          .join('\n'),
      )
      const printed = await promisify(execFile)(process.execPath, [
        MAIN,
        'evaluate',
        '--model',
        join(dir, 'm'),
        '--data',
        data,
        '--json',
      ])
      const { plain, adjusted, ...flat } = JSON.parse(printed.stdout) as Evaluation
      const { accuracy, macroF1, perClass } = flat
      assert.deepEqual(adjusted, { accuracy, macroF1, perClass })
      assert.ok(plain!.accuracy['l1']! >= accuracy['l1']! - 0.02, printed.stdout)
      assert.deepEqual(Object.keys(plain!.perClass), Object.keys(perClass))
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  })

  it('decides by the factors of its graph, and gives the probabilities all the same', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sluice-pair-'))
    try {
      const { folder } = await train(job(madeUp()))
      await writeModelFolder(dir, folder)
      const read = await readModelFolder(dir)
      const graph = runtime.read(read.model)
      const said = async (changed: typeof read) => {
        const model = await openModel(changed, { workers: 1, emit: silent, task: 'test' })
        const [answer] = await model.classify([['red drill', 'Acme drill red deluxe', '']], { shortlist: 3 })
        await model.close()
        const shares = new Map(answer!.shortlist.map(({ label, probability }) => [label[0]!, probability]))
        return { label: answer!.label[0], shares, ranked: [...shares.keys()], probability: answer!.probabilities[0] }
      }
      const usual = await said(read)
      const factors = graph.initializers['offset-factors']!
      const irrelevant = folder.labelPaths.findIndex(([name]) => name === 'irrelevant')
      const data = Float32Array.from(factors.data as Float32Array, (_, at) => (at % 3 === irrelevant ? 1e30 : 1))
      const initializers = { ...graph.initializers, 'offset-factors': { ...factors, data } }
      const bent = await said({ ...read, model: runtime.serialise({ ...graph, initializers }) })
      assert.deepEqual([usual.label, bent.label, bent.ranked[0]], ['exact', 'irrelevant', 'irrelevant'])
      assert.equal(bent.probability, bent.shares.get('irrelevant'))
      for (const [name, share] of usual.shares) assert.ok(Math.abs(bent.shares.get(name)! - share) < 1e-6, name)
      const outputs = graph.outputs.filter(({ name }) => name !== 'factors')
      await assert.rejects(said({ ...read, model: runtime.serialise({ ...graph, outputs }) }), {
        code: 'SL501',
        message: /offsets by source, the graph no factors/,
      })
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  })

  it('stops when asked to', async () => {
    const abort = new AbortController()
    abort.abort(new SluiceError('SL503', 'interrupted'))
    await assert.rejects(train({ ...job(madeUp()), signal: abort.signal }), { code: 'SL503' })
  })
})

describe('relevance rows', () => {
  it('are refused with the file and line where too many cannot be used', () => {
    const rows = [...madeUp(), ...[1, 2, 3, 4, 5].map((line) => ({ file: 'bad.jsonl', line, value: { query: 'x' } }))]
    assert.throws(
      () => relevanceExamples(rows),
      (error: SluiceError) => error.code === 'SL502' && error.message.includes('bad.jsonl:1'),
    )
  })

  it('are refused where there is one label, or too few queries to hold some back', () => {
    const one = madeUp().filter(({ value }) => (value as { label: string }).label === 'exact')
    assert.throws(() => relevanceExamples(one), { code: 'SL502', message: /1 label/ })
    const few = madeUp().slice(0, 6)
    assert.throws(() => relevanceExamples(few), { code: 'SL502', message: /too few different queries/ })
  })

  it('say what is wrong with them', () => {
    const good = { query: 'a', product: { title: 'b' }, label: 'exact' }
    assert.deepEqual(parseRelevanceRow(good), { texts: ['a', 'b', ''], label: ['exact'] })
    for (const value of [7, null, {}, { ...good, query: ' ' }, { ...good, product: 1 }, { ...good, product: {} }])
      assert.ok('bad' in parseRelevanceRow(value))
    for (const label of [undefined, '', 3, ['a', 'b']]) assert.ok('bad' in parseRelevanceRow({ ...good, label }))
  })
})

describe('decisions against the prior', () => {
  const rows = 900
  /** A rare third class whose probability never is the largest, but rises where it is true. */
  const labels = Int32Array.from({ length: rows }, (_, row) => (row % 10 === 0 ? 2 : row % 2))
  const scores = Float32Array.from({ length: rows * 3 }, (_, at) => {
    const label = labels[Math.floor(at / 3)]!
    const c = at % 3
    return c === 2 ? (label === 2 ? -0.9 : -3) : label === c ? 0.4 : 0
  })
  const scored = { scores, labels, sources: new Int32Array(rows), classes: 3 }
  const all = Int32Array.from({ length: rows }, (_, row) => row)

  it('let a rare class be answered', () => {
    const plain = figures(scores, labels, all, [0, 0, 0])
    assert.equal(plain.recall[2], 0)
    const decided = figures(scores, labels, all, fitOffsets(scored, all))
    assert.equal(decided.recall[2], 1)
    assert.ok(decided.macroF1 > plain.macroF1)
    const error = Math.sqrt((plain.accuracy * (1 - plain.accuracy)) / rows)
    assert.ok(decided.accuracy >= plain.accuracy - ACCURACY_COST - error)
  })

  it('find the temperature that the scores were heated by', () => {
    const sure = Float32Array.from({ length: rows * 2 }, (_, at) => {
      const row = at >> 1
      return at % 2 === (row % 4 === 0 ? 1 - (row & 1) : row & 1) ? Math.log(3) * 2 : 0
    })
    const own = Int32Array.from({ length: rows }, (_, row) => row & 1)
    const heat = fitTemperature({ scores: sure, labels: own, classes: 2 }, all)
    assert.ok(Math.abs(heat - 2) < 0.05, String(heat))
  })

  it('propose the loosest threshold that keeps the precision', () => {
    const decided = Array.from({ length: 1000 }, (_, at) => ({ probability: at / 1000, right: at >= 500 }))
    const threshold = fitThreshold(decided, 0.9)
    assert.ok(threshold > 0.43 && threshold < 0.46, String(threshold))
    assert.equal(
      fitThreshold(
        decided.map(({ probability }) => ({ probability, right: false })),
        0.9,
      ),
      0.99,
    )
  })
})

const SHARED = new URL('../../../../shared/data/', import.meta.url).pathname
const file = join(SHARED, 'crowdflower.jsonl.gz')

describe('on public data', () => {
  const skip = existsSync(file) ? false : `${file} is not here`
  it('learns more than the most frequent class from crowdflower', { skip }, async () => {
    const rows: Row[] = []
    for await (const { number, value } of readLines(file)) rows.push({ file: 'crowdflower', line: number, value })
    const sha256 = await fileDigest(file)
    const { figures: got } = await train({ ...job(rows), files: [{ file: 'crowdflower', rows: rows.length, sha256 }] })
    const { decided } = (got['outOfFold'] as Record<string, { decided: { accuracy: number; macroF1: number } }>)[
      'crowdflower'
    ]!
    assert.ok(decided.accuracy > 0.66, String(decided.accuracy))
    assert.ok(decided.macroF1 > 0.55, String(decided.macroF1))
  })
})
