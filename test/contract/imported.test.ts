// Exported classifiers through the model port: BERT-like ones with pairs and token types, DistilBERT-like ones without.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readModelFolder } from '../../src/adapters/files/model-folder.ts'
import { importGraph } from '../../src/adapters/onnx/imported-graph.ts'
import { openModel } from '../../src/adapters/onnx/model.ts'
import { openPairTokenizer } from '../../src/adapters/onnx/tokenizer.ts'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../src/core/error.ts'
import { random } from '../../src/core/random.ts'
import { tokenFeeds } from '../../src/learn/transformer/batches.ts'
import { answering, classifierOf } from '../../src/learn/transformer/classifier.ts'
import { silent } from '../../src/ports/events.ts'
import { tinyBert } from '../support/bert.ts'
import { wordPiece } from '../support/wordpiece.ts'
import type { GraphSpec } from '../../src/ports/graph.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const WORDS = ['red', 'hat', 'green', 'bag', 'new', 'old', 'shoe', 'coat']
const TOKENIZER = wordPiece(WORDS)

/** As an exporter writes it: logits and nothing behind them. */
function exportedClassifier(classes: number, types: boolean): GraphSpec {
  const { spec } = classifierOf(tinyBert({ types }), { classes, rank: 0, next: random(5) })
  return { ...answering(spec), outputs: spec.outputs.filter(({ name }) => name === 'logits') }
}

const bytes = (spec: GraphSpec) => runtime.serialise(spec)

let root: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-imported-'))
  await writeFile(join(root, 'tokenizer.json'), TOKENIZER)
})
after(() => rm(root, { recursive: true, force: true }))

/** Through the command line, as a user does. */
async function imported(name: string, classes: number, types: boolean, more: readonly string[]) {
  const onnx = join(root, `${name}.onnx`)
  const out = join(root, name)
  await writeFile(onnx, runtime.serialise(exportedClassifier(classes, types)))
  const files = ['--onnx', onnx, '--tokenizer', join(root, 'tokenizer.json'), '--out', out]
  execFileSync(process.execPath, [MAIN, 'models', 'import', ...files, ...more], { stdio: 'pipe' })
  return openModel(await readModelFolder(out), { workers: 1, emit: silent, task: 'imported' })
}

/** What the graph's own logits say of these texts: softmax by hand. */
async function expected(classes: number, types: boolean, texts: [string, string?]) {
  const compiled = await runtime.compile(runtime.serialise(exportedClassifier(classes, types)), { threads: 1 })
  const feeds = tokenFeeds([openPairTokenizer(TOKENIZER, 64)(...texts)])
  const { logits } = await compiled.run(Object.fromEntries(compiled.inputs.map((name) => [name, feeds[name]!])))
  await compiled.close()
  const powers = Array.from(logits!.data as Float32Array, Math.exp)
  const sum = powers.reduce((a, b) => a + b)
  return powers.map((power) => power / sum)
}

describe('an imported classifier', () => {
  it('of pairs answers what its logits say, each label in its place, alone as among others', async () => {
    const model = await imported('pairs', 3, true, [
      '--labels',
      'exact,substitute,irrelevant',
      '--segments',
      'query,title',
    ])
    const texts = [
      ['red hat', 'a green bag'],
      ['old coat', 'new red shoe red'],
      ['', 'bag'],
    ]
    const together = await model.classify(texts, { shortlist: 3 })
    for (const [row, [query, title]] of texts.entries()) {
      const [exact, substitute, irrelevant] = await expected(3, true, [query!, title!])
      const said = Object.fromEntries(together[row]!.shortlist.map(({ label, probability }) => [label[0], probability]))
      for (const [name, probability] of Object.entries({ exact, substitute, irrelevant }))
        assert.ok(Math.abs(said[name]! - probability!) < 1e-5, `${name} ${said[name]} ${probability}`)
      const [alone] = await model.classify([texts[row]!], { shortlist: 3 })
      assert.ok(Math.abs(alone!.probabilities[0]! - together[row]!.probabilities[0]!) < 1e-5)
    }
    await model.close()
  })

  it('without token types reads one text', async () => {
    const model = await imported('single', 2, false, ['--labels', 'wear > hats,wear > bags'])
    const [said] = await model.classify([['new red hat']], { shortlist: 2 })
    const [hats] = await expected(2, false, ['new red hat'])
    assert.ok(Math.abs(said!.shortlist.find(({ label }) => label[1] === 'hats')!.probability - hats!) < 1e-5)
    assert.ok(Math.abs(said!.probabilities[0]! - 1) < 1e-5)
    await model.close()
  })

  it('that gives probabilities of its own beside the logits answers what the logits say', async () => {
    const spec = exportedClassifier(2, false)
    const softmax = { op: 'Softmax', inputs: ['logits'], outputs: ['probabilities'] }
    const [logits] = spec.outputs
    const both = { ...spec, nodes: [...spec.nodes, softmax], outputs: [logits!, { ...logits!, name: 'probabilities' }] }
    const run = async (model: Uint8Array) => {
      const compiled = await runtime.compile(importGraph(model, [0, 1], 2).model, { threads: 1 })
      const feeds = tokenFeeds([openPairTokenizer(TOKENIZER, 64)('red hat')])
      const said = await compiled.run(Object.fromEntries(compiled.inputs.map((name) => [name, feeds[name]!])))
      return compiled.close().then(() => said['probabilities']!.data)
    }
    assert.deepEqual(await run(bytes(both)), await run(bytes(spec)))
  })

  it('of one logit gives its logistic function for the second label', async () => {
    const model = await imported('score', 1, true, ['--labels', 'other,match', '--segments', 'query,title'])
    const compiled = await runtime.compile(runtime.serialise(exportedClassifier(1, true)), { threads: 1 })
    const { logits } = await compiled.run(tokenFeeds([openPairTokenizer(TOKENIZER, 64)('red hat', 'bag')]))
    await compiled.close()
    const [said] = await model.classify([['red hat', 'bag']], { shortlist: 2 })
    const match = said!.shortlist.find(({ label }) => label[0] === 'match')!.probability
    assert.ok(Math.abs(match - 1 / (1 + Math.exp(-Number(logits!.data[0])))) < 1e-5)
    await model.close()
  })

  const usual = exportedClassifier(3, true)
  const refused: { how: string; model: () => Uint8Array; says: RegExp }[] = [
    { how: 'that is no ONNX file', model: () => Uint8Array.of(1, 2, 3), says: /no ONNX/ },
    {
      how: 'with another number of logits',
      model: () => bytes(exportedClassifier(2, true)),
      says: /logits \[rows × 3\]/,
    },
    { how: 'that is an encoder', model: () => bytes(tinyBert()), says: /last_hidden_state/ },
    {
      how: 'that reads something else',
      model: () => bytes({ ...usual, inputs: [...usual.inputs, { name: 'pixels', dtype: 'float32', dims: ['n'] }] }),
      says: /reads .*pixels/,
    },
    {
      how: 'that reads other numbers',
      model: () => bytes({ ...usual, inputs: usual.inputs.map((input) => ({ ...input, dtype: 'int32' as const })) }),
      says: /int64/,
    },
  ]
  for (const { how, model, says } of refused)
    it(`${how} is refused by name`, () => {
      assert.throws(
        () => importGraph(model(), [0, 1, 2], 1),
        (error) => error instanceof SluiceError && error.code === 'SL501' && says.test(error.message),
      )
    })
})
