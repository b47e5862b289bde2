// The command line as people meet it: exit codes, did-you-mean, --json. Child processes; no servers.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = join(ROOT, 'src/cli/main.ts')

const VERBS = 'demo run lint topics schemas produce train evaluate calibrate benchmark explain prompt cost batch'.split(
  ' ',
)

interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function sluice(args: readonly string[], cwd = ROOT, env: Record<string, string> = {}): Promise<Said> {
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { PATH, ...env }, timeout: 60_000 })
  const chunks = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (chunks.out += String(chunk)))
  child.stderr.on('data', (chunk) => (chunks.err += String(chunk)))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...chunks }
}

describe('the command line', { concurrency: 2 }, () => {
  const wrong: { args: string[]; says: RegExp }[] = [
    { args: ['lnit'], says: /no verb "lnit" \(did you mean "lint"\?\)/ },
    { args: ['__proto__'], says: /no verb "__proto__"/ },
    { args: ['lint', '--jsn'], says: /--jsn.*did you mean --json\?/ },
    { args: ['lint', 'other.yaml'], says: /"other\.yaml" means nothing here/ },
    { args: ['lint', '--config'], says: /--config/ },
    { args: ['run'], says: /no role is named; there are: classify, fallback/ },
    { args: ['run', 'clasify'], says: /no role "clasify"/ },
    { args: ['run', 'constructor'], says: /no role "constructor"/ },
    { args: ['topics'], says: /sluice topics apply/ },
    { args: ['topics', 'delete'], says: /sluice topics apply/ },
    { args: ['schemas', 'apply', 'twice'], says: /"twice" means nothing here/ },
    { args: ['produce'], says: /--topic and --file/ },
    { args: ['train'], says: /--data/ },
    { args: ['evaluate'], says: /--data/ },
    { args: ['calibrate'], says: /--data/ },
    { args: ['benchmark', '--task', 'relevance'], says: /--data/ },
    { args: ['lint', '--config', 'nowhere.yaml'], says: /SL102 .*nowhere\.yaml.*\n.*what to do/ },
    { args: ['demo', '--rate', 'fast'], says: /--rate is a number above 0, not "fast"/ },
    { args: ['demo', '--seed', ''], says: /--seed is a whole number, not ""/ },
    {
      args: ['train', '--data', 'rows.jsonl', '--out', 'model', '--seed', '1.5'],
      says: /--seed is a whole number, not/,
    },
    { args: ['clean', '--data', 'a', '--out', 'b', '--folds', '1'], says: /--folds is a whole number from 2, not "1"/ },
    { args: ['calibrate', '--data', 'a', '--delta', '1'], says: /--delta is a number above 0 and below 1, not "1"/ },
    { args: ['cost', '--by', 'price'], says: /--by price: one of task, tier, model, day/ },
    { args: ['cost', '--since', 'yesterday'], says: /--since yesterday/ },
  ]
  for (const { args, says } of wrong)
    test(`sluice ${args.join(' ')}: exit 2, nothing on stdout, says what`, async () => {
      const { code, out, err } = await sluice(args)
      assert.deepEqual([code, out], [2, ''], err)
      assert.match(err, says)
      assert.ok(!err.includes('    at '), err)
    })

  test('sluice alone shows the verbs and exits 2; with --help 0', async () => {
    const [alone, help] = await Promise.all([sluice([]), sluice(['--help'])])
    assert.deepEqual([alone.code, help.code], [2, 0])
    assert.equal(alone.out, help.out)
    for (const verb of VERBS) assert.match(help.out, new RegExp(`^  ${verb} `, 'm'))
  })

  for (const verb of VERBS)
    test(`sluice ${verb} --help says how it is used and exits 0`, async () => {
      const { code, out } = await sluice([verb, '--help'])
      assert.equal(code, 0)
      assert.match(out, new RegExp(`^usage: sluice ${verb}`))
    })

  test('an error with --json is one object on stdout', async () => {
    const { code, out, err } = await sluice(['lint', '--config', 'nowhere.yaml', '--json'])
    assert.deepEqual([code, err], [2, ''])
    const { error } = JSON.parse(out) as { error: { code: string; message: string } }
    assert.equal(error.code, 'SL102')
    assert.match(error.message, /nowhere\.yaml/)
  })

  test('a broker that is not there: exit 1 in finite time, naming host and remedy', async () => {
    const { code, err } = await sluice(['topics', 'apply'], ROOT, { SLUICE_KAFKA: '127.0.0.1:1' })
    assert.equal(code, 1, err)
    assert.match(err, /SL201 .*127\.0\.0\.1:1\n.*what to do: .*npm run stack/)
  })

  test('a registry that is not there: exit 1 in finite time, naming host and remedy', async () => {
    const { code, err } = await sluice(['schemas', 'apply'], ROOT, { SLUICE_REGISTRY: 'http://user:pass@127.0.0.1:1' })
    assert.equal(code, 1, err)
    assert.match(err, /SL301 .*127\.0\.0\.1:1\n.*what to do/)
    assert.ok(!err.includes('pass'), 'a password in a URL is not printed')
  })
})

describe('sluice lint', { concurrency: 2 }, () => {
  let dir: string
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'sluice-lint-'))
    for (const name of ['topics', 'schemas']) cpSync(join(ROOT, name), join(dir, name), { recursive: true })
    mkdirSync(join(dir, 'models/shop'), { recursive: true })
    const task = 'topic: products\nentity: "{id}"\nsegments: { title: "{title}" }\ninstruction: x\n'
    writeFileSync(join(dir, 'models/shop/task.yaml'), task)
    writeFileSync(join(dir, 'models/shop/labels.json'), '{"paths":[["a"],["b"]]}')
    writeFileSync(join(dir, 'sluice.yaml'), 'tasks: { enabled: [shop] }\n')
  })
  after(() => rmSync(dir, { recursive: true }))
  const variant = (name: string, text: string) => {
    writeFileSync(join(dir, name), text)
    return ['lint', '--config', name]
  }

  test('the shipped configuration is good, with its models', async () => {
    const { code, out, err } = await sluice(['lint'])
    assert.equal(code, 0, err)
    assert.match(out, /sluice\.yaml is good/)
    assert.doesNotMatch(out, /no limit/)
  })

  test('a good configuration: exit 0, a line a task', async () => {
    const { code, out } = await sluice(['lint'], dir)
    assert.equal(code, 0)
    assert.match(out, /task shop: topic products, 2 labels in 1 levels, no model yet/)
    assert.match(out, /no limit in US dollars bounds calls to the provider "default"/)
  })

  test('--json prints one object', async () => {
    const { code, out } = await sluice(['lint', '--json'], dir)
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(out), {
      ok: true,
      delivery: 'exactly_once',
      topics: 8,
      tasks: [{ task: 'shop', topic: 'products', labels: 2, levels: 1 }],
      unpriced: ['default'],
    })
  })

  const broken: { what: string; text: string; says: RegExp }[] = [
    {
      what: 'a misspelt key',
      text: 'kafka:\n  borkers: x',
      says: /:2: unknown key "kafka\.borkers" \(did you mean "brokers"\?\)/,
    },
    { what: 'a task that is not there', text: 'tasks: { enabled: [shopp] }', says: /did you mean "shop"/ },
    { what: 'a variable that is not set', text: 'redis: { url: "${NOT_SET}" }', says: /NOT_SET is not set/ },
    { what: 'concurrency 0', text: 'llm: { calls_concurrently: 0 }', says: /:1: llm\.calls_concurrently/ },
  ]
  for (const [index, { what, text, says }] of broken.entries())
    test(`${what}: exit 2 with the line`, async () => {
      const { code, err } = await sluice(variant(`broken-${index}.yaml`, text), dir)
      assert.equal(code, 2)
      assert.match(err, /SL101 configuration is not valid/)
      assert.match(err, says)
    })

  test('a damaged model: exit 1, SL501; so is a model of another task', async () => {
    const champion = join(dir, 'models/damaged/champion')
    cpSync(join(ROOT, 'models/taxonomy'), join(dir, 'models/damaged'), { recursive: true })
    const model = join(champion, 'model.onnx')
    const bytes = readFileSync(model)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(model, bytes)
    const damaged = await sluice(variant('damaged.yaml', 'tasks: { enabled: [damaged] }'), dir)
    assert.equal(damaged.code, 1, damaged.out)
    assert.match(damaged.err, /SL501/)
    cpSync(join(dir, 'models/shop'), join(dir, 'models/other'), { recursive: true })
    cpSync(join(ROOT, 'models/taxonomy/champion'), join(dir, 'models/other/champion'), { recursive: true })
    const other = await sluice(variant('other.yaml', 'tasks: { enabled: [other] }'), dir)
    assert.equal(other.code, 1, other.out)
    assert.match(other.err, /SL501 /)
  })
})
