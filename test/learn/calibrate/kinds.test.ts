// `sluice calibrate` on a folder of every kind that `sluice train` and `sluice models import` make: what suits the kind
// is certified and serves, what does not is refused before anything is asked, and no decision moves.
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readModelFolder, writeModelFolder } from '../../../src/adapters/files/model-folder.ts'
import { openModel } from '../../../src/adapters/onnx/model.ts'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { run as calibrate } from '../../../src/cli/calibrate.ts'
import { run as models } from '../../../src/cli/models.ts'
import { run as train } from '../../../src/cli/train.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { random as seeded } from '../../../src/core/random.ts'
import { calibrate as calibrateFolder } from '../../../src/learn/calibrate/calibrate.ts'
import { answering, classifierOf } from '../../../src/learn/transformer/classifier.ts'
import { silent } from '../../../src/ports/events.ts'
import { tinyBert } from '../../support/bert.ts'
import { encoderModels } from '../../support/encoder-models.ts'
import { shopRows } from '../../support/lexical.ts'
import { wordPiece } from '../../support/wordpiece.ts'
import type { ErrorCode } from '../../../src/core/error.ts'
import type { GraphSpec } from '../../../src/ports/graph.ts'
import type { EncoderModels } from '../../support/encoder-models.ts'

const WORDS = [...new Set(shopRows(300).flatMap(({ title }) => title.split(' ')))].filter((word) =>
  /^[a-z]+$/.test(word),
)
const TOY = '--encoder toy --epochs 8 --learning-rate 0.01 --tokens-max 16 --threads 1'.split(' ')

/** A product that begins with one of the first third of the words is exact. */
function pairRows(count: number, seed: number) {
  const next = seeded(seed)
  const word = () => WORDS[Math.floor(next() * WORDS.length)]!
  return Array.from({ length: count }, () => {
    const title = [word(), word(), word()]
    const label = WORDS.indexOf(title[0]!) * 3 < WORDS.length ? 'exact' : 'irrelevant'
    return { query: `${word()} ${word()}`, product: { title: title.join(' ') }, label }
  })
}

let root: string
let cache: string | undefined
let onEncoder: EncoderModels
const at = (...names: string[]) => join(root, ...names)

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-kinds-'))
  cache = process.env['XDG_CACHE_HOME']
  process.env['XDG_CACHE_HOME'] = at('cache')
  const jsonl = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join('\n')
  await writeFile(at('shop.jsonl'), jsonl(shopRows(300)))
  await writeFile(at('shop-tail.jsonl'), jsonl(shopRows(300, 5)))
  await writeFile(at('pairs.jsonl'), jsonl(pairRows(300, 3)))
  await writeFile(at('more-pairs.jsonl'), jsonl(pairRows(900, 4)))
  await writeFile(at('pairs-tail.jsonl'), jsonl(pairRows(400, 5)))
  await mkdir(at('toy'))
  const bert = tinyBert({ vocabulary: WORDS.length + 4 })
  await writeFile(at('toy', 'model.onnx'), runtime.serialise(bert))
  await writeFile(at('toy', 'tokenizer.json'), wordPiece(WORDS))
  await models(['pull', at('toy'), '--dims', '16', '--tokens-max', '16'])
  onEncoder = await encoderModels()
  await trainKind('transformer', 'shop.jsonl', at('texts'), TOY)
  // The same as another trainer would export it, and one that learned nothing.
  const { spec: random } = classifierOf(bert, { classes: 4, rank: 0, next: seeded(5) })
  await writeLogits('random.onnx', answering(random))
  await writeLogits('trained.onnx', runtime.read((await readModelFolder(at('texts'))).model))
})
after(async () => {
  if (cache === undefined) delete process.env['XDG_CACHE_HOME']
  else process.env['XDG_CACHE_HOME'] = cache
  await rm(root, { recursive: true, force: true })
})

const writeLogits = (name: string, spec: GraphSpec) => {
  const outputs = [{ name: 'logits', dtype: 'float32' as const, dims: ['batch', 4] }]
  return writeFile(at(name), runtime.serialise({ ...spec, outputs }))
}

const trainKind = (kind: string, data: string, out: string, more: readonly string[] = []) =>
  train(['--kind', kind, '--data', at(data), '--out', out, ...more])

const LABELS = [...new Set(shopRows(300).map(({ label }) => label.join(' > ')))].toSorted().join(',')
const importFrom = (onnx: string, out: string) => {
  const files = ['--onnx', at(onnx), '--tokenizer', at('toy', 'tokenizer.json'), '--out', out]
  return models(['import', ...files, '--labels', LABELS])
}

interface Kind {
  readonly make: (out: string) => Promise<unknown>
  readonly tail: string
  /** What so small a model can promise. */
  readonly precision: string
  /** Fits where the most probable path of its one graph decides. Not tried where another row or calibrate.test.ts does. */
  readonly vector?: 'fits' | 'refused'
}

const KINDS: Record<string, Kind> = {
  lexical: {
    make: (out) => writeModelFolder(out, { ...onEncoder.lexical, files: { 'curve.svg': '<svg/>\n' } }),
    tail: 'shop-tail.jsonl',
    precision: '0.9',
  },
  pair: {
    make: (out) => trainKind('pair', 'pairs.jsonl', out),
    tail: 'pairs-tail.jsonl',
    precision: '0.4',
    vector: 'refused',
  },
  encoder: {
    make: (out) => writeModelFolder(out, onEncoder.encoder),
    tail: 'shop-tail.jsonl',
    precision: '0.8',
    vector: 'fits',
  },
  stack: {
    make: async (out) => writeModelFolder(out, await onEncoder.stack(0.9)),
    tail: 'shop-tail.jsonl',
    precision: '0.9',
    vector: 'refused',
  },
  'transformer of pairs': {
    make: (out) => trainKind('transformer', 'more-pairs.jsonl', out, TOY),
    tail: 'pairs-tail.jsonl',
    precision: '0.5',
    vector: 'refused',
  },
  'pair-stack': {
    make: (out) => trainKind('pair-stack', 'more-pairs.jsonl', out, TOY),
    tail: 'pairs-tail.jsonl',
    precision: '0.5',
    vector: 'refused',
  },
  'transformer of texts': {
    make: (out) => cp(at('texts'), out, { recursive: true }),
    tail: 'shop-tail.jsonl',
    precision: '0.5',
  },
  imported: {
    make: (out) => importFrom('trained.onnx', out),
    tail: 'shop-tail.jsonl',
    precision: '0.5',
    vector: 'fits',
  },
}

/** Kinds whose training proposes thresholds without a certificate. */
const UNCERTIFIED = /^(pair|transformer)/

async function decisions(dir: string, texts: readonly (readonly string[])[]) {
  const model = await openModel(await readModelFolder(dir), { workers: 1, emit: silent, task: 'kinds' })
  const said = await model.classify(texts, { shortlist: 1 }).finally(() => model.close())
  return said.map((one) => one!.label.join(' > '))
}

describe('sluice calibrate knows every kind:', () => {
  for (const [name, { make, tail, precision, vector }] of Object.entries(KINDS))
    test(name, async () => {
      const [model, out] = [at(name), at(`${name}, calibrated`)]
      await make(model)
      if (UNCERTIFIED.test(name))
        assert.match(await readFile(join(model, 'card.md'), 'utf8'), /not certified[^]*`sluice calibrate --model/)
      const args = ['--model', model, '--data', at(tail), '--target-precision', precision]
      assert.equal(await calibrate([...args, '--method', 'isotonic', '--out', out]), 0)
      const { manifest } = await readModelFolder(out)
      assert.equal(manifest.certificate?.data[0]?.file, tail)
      assert.ok(manifest.thresholds.every((threshold) => threshold === manifest.certificate!.threshold))
      const names = new Set([...(await readdir(model)), 'calibration.json', 'card.md', 'reliability.svg'])
      assert.deepEqual((await readdir(out)).sort(), [...names].sort(), 'no file that the card links to is lost')
      const texts = manifest.golden.map((row) => row.texts)
      assert.deepEqual(await decisions(out, texts), await decisions(model, texts))
      assert.match(await readFile(join(out, 'card.md'), 'utf8'), /## Calibration[^]*isotonic/)

      if (vector === undefined) return
      const again = calibrate(['--model', out, ...args.slice(2), '--method', 'vector'])
      if (vector === 'fits') assert.equal(await again, 0, 'in its own place')
      else await assert.rejects(again, refusal('SL104', /vector would move the decisions.*use isotonic/))
    })

  test('an encoder whose vectors do not suit the kind is wrong usage, not a damaged model', () =>
    assert.rejects(
      trainKind('encoder', 'shop.jsonl', at('no'), ['--encoder', 'toy']),
      refusal('SL104', /encoder toy gives vectors of 16 numbers.*multiple of 32/),
    ))

  test('a method that does not suit the kind is refused before the model is asked', async () => {
    const dir = at('stack, never asked')
    await writeModelFolder(dir, await onEncoder.stack(0.9))
    const job = {
      folder: await readModelFolder(dir),
      rows: shopRows(200, 5).map(({ title, label }) => ({ texts: [title], label })),
      method: 'temperature' as const,
      target: { precision: 0.9, delta: 0.05 },
      files: [],
    }
    const open = () => assert.fail('the model was opened')
    const tools = { runtime, open, signal: new AbortController().signal, report: () => {} }
    await assert.rejects(calibrateFolder(job, tools), refusal('SL104', /temperature would move/))
  })

  test('a model that is never sure enough is told from too few rows, and what helps is named', async () => {
    const dir = at('never sure')
    await importFrom('random.onnx', dir)
    const args = ['--model', dir, '--data', at('shop-tail.jsonl'), '--dry-run']
    await assert.rejects(
      calibrate(args),
      refusal('SL506', /0 of 300 rows pass the strictest threshold: the model is never .*--method isotonic/),
    )
  })
})

function refusal(code: ErrorCode, says: RegExp) {
  return (error: unknown) => error instanceof SluiceError && error.code === code && says.test(error.message)
}
