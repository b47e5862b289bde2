// `sluice batch` as people meet it, against the stand-in's Batch API: submit, status, harvest, kill -9 in between, and what
// it says of mistakes. Child processes and a server of our own.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { startStandIn } from '../../scripts/llm-stand-in.ts'
import { openBatchStore } from '../../src/adapters/files/batch-store.ts'
import { run } from '../../src/cli/batch.ts'
import { pathKey } from '../../src/core/labels.ts'
import { EXAMPLES } from '../support/benchmark-task.ts'
import { ROOT } from '../support/deployment.ts'
import { startSluice } from '../support/sluice.ts'
import type { StandIn } from '../../scripts/llm-stand-in.ts'

interface Row {
  readonly id: string
  readonly label: string[]
}

const lines = readFileSync(join(EXAMPLES, 'products.jsonl'), 'utf8').trimEnd().split('\n')

describe('sluice batch', () => {
  let standIn: StandIn
  let dir: string
  before(async () => {
    standIn = await startStandIn({ port: 0, seed: 1, latency_ms: [0, 0], errorRate: 0, examplesDir: EXAMPLES })
    dir = mkdtempSync(join(tmpdir(), 'sluice-batch-'))
    const llm = {
      providers: [{ name: 'stand-in', base_url: standIn.url, model: 'sluice-stand-in' }],
      prices: { 'sluice-stand-in': { input: 0.25, cached_input: 0.025, output: 2 } },
      items_per_call_max: 6,
      output_tokens_max: 2_000,
    }
    const tasks = { dir: join(ROOT, 'models'), enabled: ['taxonomy'] }
    const topics = { dir: join(ROOT, 'topics'), schemas_dir: join(ROOT, 'schemas') }
    writeFileSync(join(dir, 'sluice.yaml'), JSON.stringify({ llm, tasks, topics, local: { workers: 1 } }))
    // The same questions in two folders would be one batch: each test has texts of its own.
    for (const part of [0, 1, 2, 3])
      writeFileSync(join(dir, `${part}.jsonl`), lines.slice(30 * part, 30 * part + 30).join('\n'))
  })
  after(async () => {
    await standIn.stop()
    rmSync(dir, { recursive: true })
  })
  afterEach(() => standIn.batchControl({}))

  const config = () => ['--config', join(dir, 'sluice.yaml')]
  const begin = (part: number) => ['--task', 'taxonomy', '--data', join(dir, `${part}.jsonl`)]
  const out = (name: string) => ['--out', join(dir, name)]
  const labelsIn = (name: string) => {
    const text = readFileSync(join(dir, name, 'labels.jsonl'), 'utf8').trimEnd()
    return text === ''
      ? []
      : text.split('\n').map((line) => JSON.parse(line) as { entity: string; label: string[]; source: object })
  }
  const right = (name: string) => {
    const truth = new Map(lines.map((line) => JSON.parse(line) as Row).map(({ id, label }) => [id, pathKey(label)]))
    return labelsIn(name).filter(({ entity, label }) => truth.get(entity) === pathKey(label)).length
  }

  /** The verb in this process: what it wrote and its exit code. */
  async function sluice(...args: string[]) {
    const said: string[] = []
    const { write } = process.stdout
    // What is no text is the test runner's.
    process.stdout.write = ((text: string | Uint8Array) =>
      typeof text === 'string' ? said.push(text) > 0 : write.call(process.stdout, text)) as typeof write
    try {
      return { code: await run([...args, ...config()]), text: said.join('') }
    } finally {
      process.stdout.write = write
    }
  }

  test('submit, status and harvest, until everything has its label', async () => {
    standIn.batchControl({ ms: 60_000 })
    const submitted = await sluice('submit', ...begin(0), ...out('steps'))
    assert.match(submitted.text, /^\d+ requests handed in\n {2}batch-\d+: in_progress, 0 of \d+\n/)
    assert.match(
      (await sluice('status', ...out('steps'))).text,
      /in_progress.*\n\d+ items labelled, 0 for review, \d+ waiting/,
    )
    assert.match((await sluice('harvest', ...out('steps'))).text, /^0 batches taken in, 0 requests answered\n {2}batch/)
    standIn.batchControl({})
    const other = await sluice('run', ...begin(1), ...out('other'), '--poll', '0', '--json')
    const { labels, reviews, waiting, costUsd, toHandIn } = JSON.parse(other.text) as Record<string, number>
    assert.deepEqual([other.code, labels, reviews, waiting, toHandIn], [0, 30, 0, 0, 0])
    assert.ok(costUsd! > 0 && right('other') === 30, `${right('other')} are right`)
    assert.deepEqual(labelsIn('other')[0]!.source, { topic: '1.jsonl', partition: 0, offset: 1, timestamp: 0 })
    const keys = Object.values(standIn.batchCounters().asked)
    assert.equal(Math.max(...keys), 1)
  })

  test('given its own items again it goes on, given others it says so and hands nothing in', async () => {
    const { batches } = standIn.batchCounters()
    const again = await sluice('run', ...begin(1), ...out('other'), '--poll', '0')
    assert.deepEqual([again.code, right('other')], [0, 30])
    const mistaken = sluice('run', ...begin(2), ...out('other'), '--poll', '0')
    await assert.rejects(mistaken, { code: 'SL104', message: /begun with other items/ })
    assert.equal(standIn.batchCounters().batches, batches)
  })

  test('a folder that was lost is made again from what the provider has', async () => {
    const { batches } = standIn.batchCounters()
    rmSync(join(dir, 'other'), { recursive: true })
    const again = await sluice('run', ...begin(1), ...out('other'), '--poll', '0')
    assert.deepEqual([again.code, right('other'), standIn.batchCounters().batches], [0, 30, batches])
  })

  test('a batch that is not accepted ends the run, which says so', async () => {
    standIn.batchControl({ outcome: 'failed' })
    const { code, text } = await sluice('run', ...begin(3), ...out('refused'), '--poll', '0')
    assert.equal(code, 1)
    assert.match(text, /^1 batches taken in, 0 requests answered\n {2}\d+ requests not answered: batch failed\n/)
  })

  test('killed when a batch is made, when one is read, in the middle of a call: each request is paid for once', async () => {
    standIn.batchControl({ share: 0.3 })
    const calls = () => standIn.counters().calls
    const { batches, reads } = standIn.batchCounters()
    const start = calls()
    const moments = [
      () => calls() > start,
      () => standIn.batchCounters().batches > batches,
      () => standIn.batchCounters().reads > reads,
    ]
    const args = ['batch', 'run', ...begin(2), ...out('killed'), '--poll', '0', '--settle', '0', ...config()]
    for (const reached of moments) {
      const child = startSluice(args)
      const state = { over: false }
      void child.ended.then(() => (state.over = true))
      while (!reached() && !state.over) await new Promise((resolve) => setTimeout(resolve, 2))
      child.signal('SIGKILL')
      await child.ended
    }
    standIn.batchControl({})
    const last = startSluice(args)
    assert.equal(await last.ended, 0, last.tail())
    assert.equal(labelsIn('killed').length, 30)
    assert.equal(right('killed'), 30)
    const asked = Object.values(standIn.batchCounters().asked)
    assert.equal(Math.max(...asked), 1, 'no request was answered by two batches')
  })

  test('what does not fit the budget is not handed in, and the figures are said', async () => {
    const made = standIn.batchCounters().batches
    await assert.rejects(sluice('submit', ...begin(0), ...out('dear'), '--budget', '0.0001'), {
      code: 'SL403',
      message: /^\$0\.0000 is spent, \d+ requests cost \$0\.\d+ at most, and --budget is \$0\.0001$/,
    })
    assert.equal(standIn.batchCounters().batches, made)
  })

  test('two at work in one folder: the later one ends before it hands anything in, and the first one goes on', async () => {
    const folder = join(dir, 'shared')
    const file = join(folder, 'batches.json')
    const [one, two] = [await openBatchStore(file), await openBatchStore(file)]
    await one.begin({ task: 't' })
    await assert.rejects(two.begin({ task: 't' }), { code: 'SL102', message: /another process/ })
    const part = { name: 'p', keys: ['k'], begun_ms: 1 }
    const late = await openBatchStore(file)
    await one.put(0, part)
    await assert.rejects(late.put(0, { ...part, id: 'x' }), { code: 'SL102', message: /another process/ })
    await one.put(0, { ...part, id: 'y' })
    assert.deepEqual((await openBatchStore(file)).parts(), [{ ...part, id: 'y' }])
  })

  test('a folder that was begun with another prompt or model is not gone on with', async () => {
    await sluice('status', ...begin(0), ...out('changed'))
    const file = join(dir, 'changed', 'batches.json')
    const state = JSON.parse(readFileSync(file, 'utf8')) as { of: Record<string, string> }
    writeFileSync(file, JSON.stringify({ ...state, of: { ...state.of, prompt: 'another' } }))
    await assert.rejects(sluice('submit', ...out('changed')), { code: 'SL104', message: /begun with another prompt/ })
    writeFileSync(file, 'cut sho')
    await assert.rejects(sluice('submit', ...out('changed')), { code: 'SL102', message: /not a file of batches/ })
  })

  test('mistakes are named', async () => {
    writeFileSync(join(dir, 'bad.jsonl'), '{"id":"a","title":"Rice"}\n{"title":"no id"}\n')
    for (const [args, code, says] of [
      [['submit'], 'SL104', /--out/],
      [['sumbit', ...out('x')], 'SL104', /submit, status, harvest, run/],
      [['submit', ...out('x')], 'SL104', /--task NAME is needed/],
      [['submit', ...out('x'), '--task', 'taxonomy'], 'SL104', /--data FILE is needed/],
      [['submit', ...out('x'), ...begin(0), '--provider', 'nobody'], 'SL104', /no provider "nobody"/],
      [['submit', ...out('y'), ...begin(0), '--budget=-1'], 'SL104', /--budget is a number from 0, not "-1"/],
      [
        ['submit', ...out('x'), '--task', 'taxonomy', '--data', join(dir, 'bad.jsonl')],
        'SL502',
        /bad\.jsonl, line 2: missing-field id/,
      ],
    ] as const)
      await assert.rejects(sluice(...args), { code, message: says }, says.source)
  })
})
