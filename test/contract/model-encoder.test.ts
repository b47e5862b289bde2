// The model port on kinds that stand on an encoder, with one that the test makes up: no network, no weights of others.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { readModelFolder, writeModelFolder } from '../../src/adapters/files/model-folder.ts'
import { openModel } from '../../src/adapters/onnx/model.ts'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../src/core/error.ts'
import { silent } from '../../src/ports/events.ts'
import { tinyGraph } from '../support/encoder.ts'
import { encoderModels } from '../support/encoder-models.ts'
import { shopRows } from '../support/lexical.ts'
import type { NewModelFolder } from '../../src/adapters/files/model-folder.ts'
import type { Model } from '../../src/ports/model.ts'

const OPTIONS = { workers: 2, emit: silent, task: 'shop' }

let root: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-encoder-'))
})
after(() => rm(root, { recursive: true, force: true }))

const { encoder, lexical, stack: stackFolder } = await encoderModels()
const made = { encoder, stack: await stackFolder(0.9) }
let places = 0
async function place(folder: NewModelFolder): Promise<string> {
  const dir = join(root, `m${places++}`)
  await writeModelFolder(dir, folder)
  return dir
}

for (const kind of ['encoder', 'stack'] as const)
  describe(`the model port on a pool: ${kind}`, () => {
    let model: Model
    before(async () => {
      model = await openModel(await readModelFolder(await place(made[kind])), OPTIONS)
    })
    after(() => model.close())

    it('answers each input in its place, and what it learned', async () => {
      const rows = shopRows(600, 2)
      const predictions = await model.classify(
        rows.map(({ title }) => [title]),
        { shortlist: 2 },
      )
      const right = predictions.filter((one, row) => one?.label.join() === rows[row]!.label.join())
      assert.ok(right.length > 560, String(right.length))
    })

    it('answers one input as it answers it among many', async () => {
      const inputs = shopRows(80, 3).map(({ title }) => [title])
      const together = await model.classify(inputs, { shortlist: 2 })
      for (const row of [0, 40, 79]) {
        const [alone] = await model.classify([inputs[row]!], { shortlist: 2 })
        assert.deepEqual(alone!.label, together[row]!.label)
        alone!.probabilities.forEach((value, level) =>
          assert.ok(Math.abs(value - together[row]!.probabilities[level]!) < 1e-3),
        )
      }
    })

    it('answers hostile and empty texts like any other, and nothing to nothing', async () => {
      const texts = ['', '\ud800', '\ufdfa'.repeat(5000), 'a'.repeat(100_000), '\u0000\u202e', '. , ;']
      const predictions = await model.classify(
        texts.map((text) => [text]),
        { shortlist: 1 },
      )
      assert.ok(predictions.every((one) => one !== undefined))
      assert.deepEqual(await model.classify([], { shortlist: 3 }), [])
    })
  })

describe('a stack', () => {
  const answers = async (folder: NewModelFolder) => {
    const model = await openModel(await readModelFolder(await place(folder)), { ...OPTIONS, workers: 1 })
    const inputs = [['green tea premium'], ['floor lamp for the beach'], ['something else']]
    return model.classify(inputs, { shortlist: 4 }).finally(() => model.close())
  }

  it('that never asks answers as its lexical model does; one that always asks does not', async () => {
    const [asNever, asAlone, asAlways] = [
      await answers(await stackFolder(0)),
      await answers(lexical),
      await answers(await stackFolder(1.01)),
    ]
    assert.deepEqual(asNever, asAlone)
    assert.notDeepEqual(asAlways, asAlone)
  })
})

function without(parts: NewModelFolder['parts'], name: string): NewModelFolder['parts'] {
  return Object.fromEntries(Object.entries(parts).filter(([other]) => other !== name))
}

describe('a folder whose encoder is not whole', () => {
  const changed: Record<string, { change: (folder: NewModelFolder) => NewModelFolder; says: RegExp }> = {
    'because its graph is no ONNX file': {
      change: (folder) => ({ ...folder, parts: { ...folder.parts, 'encoder.onnx': new Uint8Array([1, 2, 3]) } }),
      says: /encoder tiny: no ONNX graph that runs/,
    },
    'because its vectors are longer than the manifest says': {
      change: (folder) => ({
        ...folder,
        parts: { ...folder.parts, 'encoder.onnx': runtime.serialise(tinyGraph(64)) },
      }),
      says: /vectors of 32 numbers were promised/,
    },
    'because the tokenizer is not among its parts': {
      change: ({ parts, ...folder }) => ({ ...folder, parts: without(parts, 'tokenizer.json') }),
      says: /names no tokenizer\.json/,
    },
    'because the manifest does not say how to use it': {
      change: ({ manifest, ...folder }) => ({ ...folder, manifest: { ...manifest, encoder: undefined } }),
      says: /does not say how to use its encoder/,
    },
  }
  for (const [why, { change, says }] of Object.entries(changed))
    it(`is refused ${why}`, async () => {
      const dir = await place(change(made.encoder))
      await assert.rejects(
        async () => openModel(await readModelFolder(dir), { ...OPTIONS, workers: 1 }),
        (error: unknown) => error instanceof SluiceError && error.code === 'SL501' && says.test(error.message),
      )
    })

  it('is refused because a bit of it flipped', async () => {
    const dir = await place(made.encoder)
    const bytes = made.encoder.parts['encoder.onnx']!.slice()
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(join(dir, 'encoder.onnx'), bytes)
    await assert.rejects(readModelFolder(dir), /encoder\.onnx: its SHA-256/)
  })
})
