// `sluice train --kind transformer` from rows to a folder that serves: with a small encoder of random weights, which
// learns a made-up task. Child processes; no servers, no network.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readModelFolder } from '../../src/adapters/files/model-folder.ts'
import { openModel } from '../../src/adapters/onnx/model.ts'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import { random } from '../../src/core/random.ts'
import { silent } from '../../src/ports/events.ts'
import { tinyBert } from '../support/bert.ts'
import { wordPiece } from '../support/wordpiece.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const WORDS = 'red hat green bag new old shoe coat blue sock grey tie'.split(' ')

/** Random weights need larger steps than learned ones. */
const TOY = '--encoder toy --epochs 8 --learning-rate 0.01 --tokens-max 16 --threads 1'.split(' ')

let root: string

async function sluice(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env['PATH'] ?? '', XDG_CACHE_HOME: root }
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    )
  })
}

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-transformer-'))
  const folder = join(root, 'toy')
  await mkdir(folder)
  await writeFile(join(folder, 'model.onnx'), runtime.serialise(tinyBert()))
  await writeFile(join(folder, 'tokenizer.json'), wordPiece(WORDS))
  const { code, err } = await sluice('models', 'pull', folder, '--dims', '16', '--tokens-max', '16')
  assert.equal(code, 0, err)
})
after(() => rm(root, { recursive: true, force: true }))

const next = random(3)
const word = () => WORDS[Math.floor(next() * WORDS.length)]!
/** A product that begins with one of the first four words is exact. */
const pairs = Array.from({ length: 900 }, () => {
  const title = [word(), word(), word()]
  const label = WORDS.indexOf(title[0]!) < 4 ? 'exact' : 'irrelevant'
  return { query: `${word()} ${word()}`, product: { title: title.join(' ') }, label }
})
const titles = pairs.map(({ product, label }) => ({ title: product.title, label: [label, `${label} things`] }))

async function trained(name: string, rows: readonly object[], kind = 'transformer') {
  const [file, out] = [join(root, `${name}.jsonl`), join(root, name)]
  await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'))
  const { code, out: said, err } = await sluice('train', '--kind', kind, '--data', file, '--out', out, '--json', ...TOY)
  assert.equal(code, 0, err)
  return { said: JSON.parse(said) as Record<string, unknown>, out }
}

describe('fine-tuning from the command line', { concurrency: 2 }, () => {
  it('makes a folder from pairs that answers pairs it never saw, and a card with its figures', async () => {
    const { said, out } = await trained('pairs', pairs)
    const folder = await readModelFolder(out)
    assert.equal(folder.manifest.kind, 'imported')
    const model = await openModel(folder, { workers: 1, emit: silent, task: 'toy' })
    const inputs = WORDS.map((first) => ['some words', `${first} coat hat`, 'a description'])
    const answers = await model.classify(inputs, { shortlist: 1 })
    assert.deepEqual(
      answers.map((one) => one!.label[0]),
      WORDS.map((_, at) => (at < 4 ? 'exact' : 'irrelevant')),
    )
    await model.close()
    assert.match(await readFile(join(out, 'card.md'), 'utf8'), /pairs\.jsonl \| \d+ \| (9\d|100)\.\d %/)
    assert.ok(Number(said['rowsPerSecond']) > 0)
  })

  it('makes a folder from titles with every level of their labels', async () => {
    const { out } = await trained('titles', titles)
    const model = await openModel(await readModelFolder(out), { workers: 1, emit: silent, task: 'toy' })
    const answers = await model.classify([['red shoe tie'], ['tie red red']], { shortlist: 1 })
    assert.deepEqual(
      answers.map((one) => one!.label),
      [
        ['exact', 'exact things'],
        ['irrelevant', 'irrelevant things'],
      ],
    )
    await model.close()
  })

  it('tunes an encoder for a stack, which carries it and says so', async () => {
    const [folder, file, out] = [join(root, 'wide'), join(root, 'wide.jsonl'), join(root, 'stack')]
    await mkdir(folder)
    await writeFile(join(folder, 'model.onnx'), runtime.serialise(tinyBert({ width: 32 })))
    await writeFile(join(folder, 'tokenizer.json'), wordPiece(WORDS))
    await sluice('models', 'pull', folder, '--dims', '32', '--tokens-max', '16')
    await writeFile(
      file,
      titles
        .slice(0, 300)
        .map((row) => JSON.stringify(row))
        .join('\n'),
    )
    const args = ['--kind', 'stack', '--encoder', 'wide', '--tune', '2', '--data', file, '--out', out, '--json']
    const { code, out: said, err } = await sluice('train', ...args)
    assert.equal(code, 0, err)
    assert.ok((JSON.parse(said) as { tuning: { rowsPerSecond: number } }).tuning.rowsPerSecond > 0)
    const { manifest, parts } = await readModelFolder(out)
    assert.equal(manifest.encoder!.name, 'wide, fine-tuned')
    assert.notDeepEqual(parts!['encoder.onnx'], await readFile(join(folder, 'model.onnx')))
    assert.match(await readFile(join(out, 'card.md'), 'utf8'), /encoder wide, fine-tuned[^]*--tune 2/)
  })

  it('joins a transformer to a pair model, which answers alone where it is sure enough', async () => {
    const { said, out } = await trained('joined', pairs, 'pair-stack')
    const folder = await readModelFolder(out)
    const { ask, offsets, thresholds } = folder.manifest
    assert.equal(folder.manifest.kind, 'pair-stack')
    const card = await readFile(join(out, 'card.md'), 'utf8')
    assert.match(
      card,
      new RegExp(`likeliest class less than\\s${ask}[^]*joined\\.jsonl \\| \\d+ \\| (9\\d|100)\\.\\d %`),
    )
    assert.deepEqual([offsets, thresholds], [Object.values(said['offsets'] as object), said['thresholds']])

    const inputs = WORDS.map((first) => ['some words', `${first} coat hat`, ''])
    const answers = async (manifest: Partial<typeof folder.manifest>, model = folder.model) => {
      const changed = { ...folder, model, manifest: { ...folder.manifest, golden: [], ...manifest } }
      const opened = await openModel(changed, { workers: 1, emit: silent, task: 'toy' })
      const all = await opened.classify(inputs, { shortlist: 2 }).finally(() => opened.close())
      return all.map((one) => one!.shortlist.map(({ label, probability }) => [label[0], probability.toFixed(6)]))
    }
    const alone = await answers({ kind: 'pair' }, folder.parts['pair.onnx'])
    assert.deepEqual(await answers({ ask: 0 }), alone, 'never asks')
    const joined = await answers({ ask: 1.01 })
    assert.notDeepEqual(joined, alone, 'always asks')
    assert.deepEqual(
      joined.map(([best]) => best![0]),
      WORDS.map((_, at) => (at < 4 ? 'exact' : 'irrelevant')),
    )
    const served = await answers({})
    served.forEach((one, at) => {
      const cheap = alone[at]!
      const sure = Math.max(...cheap.map(([, probability]) => Number(probability))) >= ask!
      assert.deepEqual(one, sure ? cheap : joined[at])
    })
  })

  const wrong: { args: string[]; code: number; says: RegExp }[] = [
    { args: ['--encoder', 'absent'], code: 1, says: /SL504.*absent[^]*models pull/ },
    { args: ['--encoder', 'toy', '--lora', '1.5'], code: 2, says: /--lora is a whole number above 0, not "1\.5"/ },
    { args: ['--encoder', 'toy', '--minutes', 'few'], code: 2, says: /--minutes is a number above 0/ },
  ]
  for (const { args, code, says } of wrong)
    it(`with ${args.join(' ')} ends with ${code} and says why`, async () => {
      const file = join(root, 'one.jsonl')
      await writeFile(file, JSON.stringify(pairs[0]))
      const said = await sluice('train', '--kind', 'transformer', '--data', file, '--out', join(root, 'no'), ...args)
      assert.equal(said.code, code, said.err)
      assert.match(said.err, says)
    })
})
