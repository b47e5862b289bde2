import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readModelFolder, writeModelFolder } from '../../src/adapters/files/model-folder.ts'
import { openModel } from '../../src/adapters/onnx/model.ts'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../src/core/error.ts'
import { labelSet, pathIndex, pathKey } from '../../src/core/labels.ts'
import { packIndex, titleIndex } from '../../src/core/lexical/nearest.ts'
import { silent } from '../../src/ports/events.ts'
import { SMALL, shopModel, shopRows } from '../support/lexical.ts'
import type { NewModelFolder } from '../../src/adapters/files/model-folder.ts'
import type { GraphSpec } from '../../src/ports/graph.ts'
import type { Model } from '../../src/ports/model.ts'

const OPTIONS = { workers: 2, emit: silent, task: 'shop' }

let root: string
let folder: NewModelFolder
let places = 0

/** Writes a folder to a place of its own; `change` may make it another one. */
async function place(change: Partial<NewModelFolder> = {}): Promise<string> {
  const dir = join(root, `m${places++}`)
  await writeModelFolder(dir, { ...folder, ...change })
  return dir
}

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-model-'))
  folder = await shopModel(SMALL)
})
after(() => rm(root, { recursive: true, force: true }))

describe('the model port on a pool', () => {
  let model: Model
  before(async () => {
    model = await openModel(await readModelFolder(await place()), OPTIONS)
  })
  after(() => model.close())

  it('answers each input in its place, whatever the number and the lengths', async () => {
    const rows = shopRows(1000, 2)
    const inputs = rows.map(({ title }, row) => [row % 7 === 0 ? `${title} ${'x y z '.repeat(row)}` : title])
    const predictions = await model.classify(inputs, { shortlist: 3 })
    assert.equal(predictions.length, inputs.length)
    const right = predictions.filter((one, row) => row % 7 === 0 || one?.label.join() === rows[row]!.label.join())
    assert.ok(right.length > 950, String(right.length))
  })

  it('answers one input as it answers it among many', async () => {
    const inputs = shopRows(100, 3).map(({ title }) => [title])
    const together = await model.classify(inputs, { shortlist: 2 })
    for (const row of [0, 50, 99]) {
      const [alone] = await model.classify([inputs[row]!], { shortlist: 2 })
      assert.deepEqual(alone!.label, together[row]!.label)
      alone!.probabilities.forEach((value, level) =>
        assert.ok(Math.abs(value - together[row]!.probabilities[level]!) < 1e-5),
      )
    }
  })

  it('believes an answer by the titles that it knows, where the manifest says how', async () => {
    const inputs = [['juice lamp zzz'], ['qqq']]
    const [unsure] = await model.classify(inputs, { shortlist: 1 })
    const path = pathIndex(labelSet(folder.labelPaths)).get(pathKey(unsure!.label))!
    const index = titleIndex([['zzz lamp juice', '']], [path])!
    const weights = [
      { bias: 0, own: 1, near: 2 },
      { bias: 0, own: 1, near: 2 },
    ]
    const calibration = { method: 'nearest', nearest: weights } as const
    const asking = (parts: Record<string, Uint8Array>) =>
      place({ parts, manifest: { ...folder.manifest, calibration } })
    const { calibration: _, ...plain } = folder.manifest
    const [before, after] = await Promise.all(
      [await place({ manifest: plain }), await asking({ 'nearest.bin': packIndex(index) })].map(async (dir) => {
        const opened = await openModel(await readModelFolder(dir), OPTIONS)
        return opened.classify(inputs, { shortlist: 1 }).finally(() => opened.close())
      }),
    )
    const logit = (probability: number) => Math.log(probability / (1 - probability))
    const gain = (row: number) => logit(after![row]!.probabilities[1]!) - logit(before![row]!.probabilities[1]!)
    assert.ok(gain(0) > 0.4 && gain(0) < 2, `a title near a known one: ${gain(0)}`)
    assert.ok(Math.abs(gain(1)) < 0.01, `one without a known word: ${gain(1)}`)
    inputs.forEach((_row, row) => assert.deepEqual(after![row]!.label, before![row]!.label))
    for (const parts of [{}, { 'nearest.bin': packIndex(index).subarray(1) }])
      await assert.rejects(
        async () => openModel(await readModelFolder(await asking(parts)), OPTIONS),
        (error) => error instanceof SluiceError && error.code === 'SL501' && /nearest\.bin/.test(error.message),
      )
  })

  it('is refused with a calibration of other levels than its own', async () => {
    const weights = { bias: 0, own: 1, near: 2 }
    const calibrations = [
      { method: 'nearest', nearest: [weights] },
      { method: 'nearest' },
      { method: 'isotonic', isotonic: [1, 2, 3].map(() => ({ at: [0, 1], value: [0, 1] })) },
    ] as const
    for (const calibration of calibrations) {
      const dir = await place({ manifest: { ...folder.manifest, calibration } })
      await assert.rejects(
        readModelFolder(dir),
        (error) => error instanceof SluiceError && error.code === 'SL501' && /2 levels but/.test(error.message),
      )
    }
  })

  it('gives probabilities that never rise with depth and a short list of existing paths, best first', async () => {
    const [one] = await model.classify([['tea towel premium']], { shortlist: 3 })
    const [l1, l2] = one!.probabilities
    assert.ok(l1! >= l2! && l1! <= 1 && l2! > 0)
    assert.equal(one!.shortlist.length, 3)
    assert.deepEqual(one!.shortlist[0]!.label, one!.label)
    const scores = one!.shortlist.map(({ probability }) => probability)
    assert.deepEqual(
      scores,
      scores.toSorted((a, b) => b - a),
    )
  })

  it('answers hostile and empty texts like any other', async () => {
    const texts = ['', '\ud800', '\ufdfa'.repeat(5000), 'a'.repeat(1_000_000), '\u0000\u202e', '. , ;']
    const predictions = await model.classify(
      texts.map((text) => [text]),
      { shortlist: 1 },
    )
    assert.ok(predictions.every((one) => one !== undefined))
  })

  it('answers nothing to nothing, and a short list is never longer than the label set', async () => {
    assert.deepEqual(await model.classify([], { shortlist: 3 }), [])
    const [one] = await model.classify([['juice']], { shortlist: 50 })
    assert.equal(one!.shortlist.length, 4)
  })

  it('waits for what is running before it closes', async () => {
    const other = await openModel(await readModelFolder(await place()), OPTIONS)
    const running = other.classify(
      shopRows(3000).map(({ title }) => [title]),
      { shortlist: 1 },
    )
    await other.close()
    assert.ok((await running).every((one) => one !== undefined))
  })
})

describe('a model whose output is not finite', () => {
  it('has no answer to that input, and answers the others', async () => {
    // Probabilities of 1/4 each, but NaN where a text has more than 16 features.
    const spec: GraphSpec = {
      name: 'odd',
      inputs: [
        { name: 'ids', dtype: 'int32', dims: ['B', 'F'] },
        { name: 'tf', dtype: 'float32', dims: ['B', 'F'] },
      ],
      outputs: [{ name: 'probabilities', dtype: 'float32', dims: ['B', 4] }],
      initializers: {
        limit: { dtype: 'float32', dims: [], data: new Float32Array([16]) },
        nan: { dtype: 'float32', dims: [], data: new Float32Array([NaN]) },
        even: { dtype: 'float32', dims: [1, 4], data: new Float32Array(4).fill(0.25) },
        axis: { dtype: 'int64', dims: [1], data: new BigInt64Array([1n]) },
      },
      nodes: [
        { op: 'Sign', inputs: ['tf'], outputs: ['there'] },
        { op: 'ReduceSum', inputs: ['there', 'axis'], outputs: ['count'] },
        { op: 'Greater', inputs: ['count', 'limit'], outputs: ['many'] },
        { op: 'Where', inputs: ['many', 'nan', 'even'], outputs: ['probabilities'] },
      ],
    }
    const golden = [{ texts: ['tea'], probabilities: [0.25, 0.25, 0.25, 0.25] }]
    const dir = await place({ model: runtime.serialise(spec), manifest: { ...folder.manifest, golden } })
    const model = await openModel(await readModelFolder(dir), OPTIONS)
    const texts = ['tea', 'a text of many long words and features', 'tea']
    const predictions = await model.classify(
      texts.map((text) => [text]),
      { shortlist: 1 },
    )
    assert.deepEqual(
      predictions.map((one) => one !== undefined),
      [true, false, true],
    )
    await model.close()
  })
})

describe('a model folder', () => {
  const damaged: Record<string, { file: string; damage: (bytes: Buffer) => Buffer | undefined; says: RegExp }> = {
    'with a flipped bit': { file: 'model.onnx', damage: flipped, says: /model\.onnx.*SHA-256/ },
    'cut short': { file: 'model.onnx', damage: (bytes) => bytes.subarray(0, 1000), says: /model\.onnx: 1000 bytes/ },
    'without its model': { file: 'model.onnx', damage: () => undefined, says: /model\.onnx is missing/ },
    'without its manifest': { file: 'manifest.json', damage: () => undefined, says: /manifest\.json is missing/ },
    'with a manifest of other words': {
      file: 'manifest.json',
      damage: (bytes) => Buffer.from(bytes.toString().replace('"kind": "lexical"', '"kind": "magic"')),
      says: /manifest\.json.*kind/s,
    },
    'with another label set': {
      file: 'labels.json',
      damage: (bytes) => Buffer.from(bytes.toString().replace('juice', 'juices')),
      says: /labels\.json/,
    },
  }
  for (const [how, { file, damage, says }] of Object.entries(damaged))
    it(`${how} is refused by name`, async () => {
      const dir = await place()
      const bytes = damage(await readFile(join(dir, file)))
      if (bytes) await writeFile(join(dir, file), bytes)
      else await rm(join(dir, file))
      await assert.rejects(readModelFolder(dir), isError(says))
    })

  it('that answers its golden texts otherwise is refused', async () => {
    const [first, ...rest] = folder.manifest.golden
    const golden = [
      { ...first!, probabilities: first!.probabilities.map((value) => Math.max(0, value - 0.01)) },
      ...rest,
    ]
    const dir = await place({ manifest: { ...folder.manifest, golden } })
    await assert.rejects(openModel(await readModelFolder(dir), OPTIONS), isError(/golden/))
  })

  it('whose model fits another label set, or is none, is refused', async () => {
    const three = await place({ labelPaths: folder.labelPaths.slice(1) })
    await assert.rejects(openModel(await readModelFolder(three), OPTIONS), isError(/probabilities/))
    const none = await place({ model: new Uint8Array([1, 2, 3]) })
    await assert.rejects(openModel(await readModelFolder(none), OPTIONS), isError(/model\.onnx/))
  })

  it('made with another normaliser is refused', async () => {
    const dir = await place({ manifest: { ...folder.manifest, normaliser: 999 } })
    await assert.rejects(openModel(await readModelFolder(dir), OPTIONS), isError(/normaliser 999/))
  })

  it('takes the place of an older one, never of other files, and leaves no pieces', async () => {
    const dir = await place()
    await writeModelFolder(dir, folder)
    const other = join(root, 'notes')
    await writeModelFolder(other, folder)
    await rm(join(other, 'manifest.json'))
    await assert.rejects(writeModelFolder(other, folder), /not replaced/)
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.startsWith('.')),
      [],
    )
  })
})

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1]! ^= 1
  return copy
}

function isError(says: RegExp) {
  return (error: unknown) => error instanceof SluiceError && error.code === 'SL501' && says.test(error.message)
}
