// Encoders as people meet them: pulled from a folder into the cache folder, trained on, missing or damaged. No network.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readEncoders } from '../../src/adapters/config/encoders.ts'
import { tinyEncoder } from '../support/encoder.ts'
import { shopRows } from '../support/lexical.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-models-'))
  const { graph, tokenizer } = tinyEncoder()
  await mkdir(join(dir, 'tiny'))
  await writeFile(join(dir, 'tiny', 'model.onnx'), graph)
  await writeFile(join(dir, 'tiny', 'tokenizer.json'), tokenizer)
  await mkdir(join(dir, 'empty'))
  const rows = shopRows(300).map((row) => JSON.stringify(row))
  await writeFile(join(dir, 'shop.jsonl'), rows.join('\n'))
})
after(() => rm(dir, { recursive: true, force: true }))

async function sluice(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH = '' } = process.env
  const env = { PATH, XDG_CACHE_HOME: join(dir, 'cache') }
  const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), ...args], { cwd: dir, env, timeout: 60_000 })
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (said.out += String(chunk)))
  child.stderr.on('data', (chunk) => (said.err += String(chunk)))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...said }
}

const train = (...more: string[]) =>
  sluice('train', '--kind', 'encoder', '--encoder', 'tiny', '--data', 'shop.jsonl', '--out', 'model', '--json', ...more)

describe('an encoder of one’s own', () => {
  test('is missed with the remedy, pulled, listed, trained on and measured; damaged, it is refused', async () => {
    const missed = await train()
    assert.equal(missed.code, 1)
    assert.match(missed.out, /SL504.*encoder tiny is not in/)

    const wrong = await sluice('models', 'pull', 'tiny')
    assert.equal(wrong.code, 1)
    assert.match(wrong.err, /SL501.*gives \[1 × 3 × 32\].*384 numbers were promised/)
    const pulled = await sluice('models', 'pull', 'tiny', '--dims', '32', '--json')
    assert.equal(pulled.code, 0, pulled.err)
    assert.equal(JSON.parse(pulled.out).settings.name, 'tiny')
    const listed = await sluice('models', 'list')
    assert.match(listed.out, /^minilm +all-MiniLM/m)
    assert.match(listed.out, /^tiny +pulled +your own/m)

    const trained = await train()
    assert.equal(trained.code, 0, trained.err)
    assert.ok(JSON.parse(trained.out).validation.accuracy[0] > 0.9, trained.out)
    const card = await readFile(join(dir, 'model', 'card.md'), 'utf8')
    assert.match(card, /the encoder tiny \(32 numbers[^)]*\), frozen/)
    const measured = await sluice('evaluate', '--model', 'model', '--data', 'shop.jsonl', '--json')
    assert.ok(JSON.parse(measured.out).accuracy.l1 > 0.9, measured.out)

    await truncate(join(dir, 'cache', 'sluice', 'encoders', 'tiny', 'encoder.onnx'), 100)
    const damaged = await train()
    assert.equal(damaged.code, 1)
    assert.match(damaged.out, /SL504.*encoder\.onnx: its SHA-256/)
  })

  const refused: Record<string, { args: string[]; code: number; says: RegExp }> = {
    'a name that nobody knows': { args: ['minlm'], code: 2, says: /no encoder "minlm".*did you mean "minilm"\?/s },
    'a folder without a graph': { args: ['empty'], code: 1, says: /SL504.*holds no encoder\.onnx and no model\.onnx/ },
    'an address without digests': { args: ['https://a.example/m.onnx'], code: 2, says: /needs --name, --sha256/ },
    'nothing at all': { args: [], code: 2, says: /pull NAME\|DIR\|URL or list/ },
  }
  for (const [what, { args, code, says }] of Object.entries(refused))
    test(`cannot be ${what}`, async () => {
      const said = await sluice('models', 'pull', ...args)
      assert.equal(said.code, code)
      assert.match(said.err, says)
    })
})

test('models/encoders.yaml pins every file of every encoder by size and digest', async () => {
  const known = await readEncoders(join(ROOT, 'models', 'encoders.yaml'))
  assert.ok(known.length >= 2)
  for (const { files, settings } of known)
    for (const source of Object.values(files))
      assert.ok('pypi' in source || ('url' in source && source.bytes !== undefined), settings.name)
})
