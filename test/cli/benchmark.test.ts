// `sluice benchmark` as people meet it, against the stand-in for an LLM: the table, going on after Ctrl-C, the cap, a
// dead endpoint, and what it says of mistakes. Child processes and a server of our own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startStandIn } from '../../scripts/llm-stand-in.ts'
import { run } from '../../src/cli/benchmark.ts'
import { benchmarkFolder, EXAMPLES } from '../support/benchmark-task.ts'
import type { ChildProcess } from 'node:child_process'
import type { StandIn } from '../../scripts/llm-stand-in.ts'
import type { Table } from '../../src/core/benchmark/score.ts'
import type { SluiceError } from '../../src/core/error.ts'
import type { Circumstances } from '../../src/learn/benchmark/markdown.ts'
import type { BenchmarkFolder } from '../support/benchmark-task.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const PRICES = { input: 0.25, cached_input: 0.025, output: 2 }

const FINE = { base_url: 'http://127.0.0.1:1/v1', model: 'm', prices: PRICES }

interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function sluice(args: readonly string[], started: (child: ChildProcess) => void = () => {}): Promise<Said> {
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [MAIN, 'benchmark', ...args], { env: { PATH }, timeout: 60_000 })
  const chunks = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (chunks.out += String(chunk)))
  child.stderr.on('data', (chunk) => (chunks.err += String(chunk)))
  started(child)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...chunks }
}

const parsed = ({ out }: Said) => JSON.parse(out) as Table & Circumstances

describe('sluice benchmark', () => {
  let standIn: StandIn
  let folder: BenchmarkFolder
  before(async () => {
    standIn = await startStandIn({ port: 0, seed: 1, latency_ms: [20, 40], errorRate: 0.1, examplesDir: EXAMPLES })
    const entry = { base_url: standIn.url, model: 'sluice-stand-in', prices: PRICES }
    folder = benchmarkFolder({
      'stand-in': entry,
      'by-the-dozen': { ...entry, items_per_call: 12 },
      spoiled: { ...entry, rubric: 'Answer as you like.' },
      dead: { ...entry, base_url: 'http://127.0.0.1:1/v1', tries_max: 1 },
      interrupted: { ...entry, calls_concurrently: 2 },
      capped: { ...entry, output_tokens_max: 200, calls_concurrently: 8 },
    })
  })
  after(async () => {
    await standIn.stop()
    rmSync(folder.dir, { recursive: true })
  })
  const calls = () => standIn.counters().calls

  test('asks each LLM the same sample once, and the second time nobody anything', async () => {
    const args = folder.args(
      ['stand-in', 'by-the-dozen'],
      '--out-of-distribution',
      join(folder.dir, 'out.jsonl'),
      '--json',
    )
    const start = calls()
    const first = await sluice(args)
    assert.equal(first.code, 0, first.err)
    assert.equal(calls() - start, 60 + 2 * 3)
    const table = parsed(first)
    const [alone, dozen] = table.scores
    assert.deepEqual(
      alone!.splits.map(({ asked }) => asked),
      [30, 30],
    )
    const shares = (at: number) => table.scores[at]!.splits.map(({ accuracy }) => accuracy[0]!.share)
    // The stand-in errs on a tenth of the texts, always the same ones, however it is asked.
    assert.deepEqual(shares(0), shares(1))
    assert.ok(
      shares(0).every((share) => share > 0.7 && share < 1),
      `${shares(0)}`,
    )
    assert.ok(dozen!.tokensPerItem.input < alone!.tokensPerItem.input)
    assert.ok(Math.abs(table.budget.spent - (60 * (alone!.costPer1000! + dozen!.costPer1000!)) / 1_000) < 1e-9)
    const again = await sluice(args)
    assert.equal(calls() - start, 66)
    assert.deepEqual(parsed(again).scores, table.scores)
    assert.deepEqual(parsed(again).sources, table.sources)
    for (const name of ['benchmark.md', 'benchmark.json', 'accuracy.svg', 'latency.svg'])
      assert.ok(existsSync(join(folder.dir, 'out', name)), name)
    const kept = readFileSync(join(folder.dir, 'out', 'answers', 'stand-in.jsonl'), 'utf8')
    assert.equal(kept.trimEnd().split('\n').length, 60)
  })

  test('replies that are no answers are counted, and end nothing', async () => {
    standIn.control({ mode: 'malformed' })
    const { code, out, err } = await sluice(folder.args(['spoiled']))
    standIn.control({ mode: 'ok' })
    assert.equal(code, 0, err)
    assert.match(out, /\| spoiled \|.*\| 0\.0 % \[0\.0, 11\.4\] \|.*\| 100\.0 % \(malformed 30\) \|/)
  })

  test('after Ctrl-C the same command goes on where it stopped, and asks nothing twice', async () => {
    const args = folder.args(['interrupted'], '--json')
    const start = calls()
    const first = await sluice(args, (child) => {
      const look = setInterval(() => {
        if (calls() - start < 8) return
        clearInterval(look)
        child.kill('SIGINT')
      }, 5)
      child.once('close', () => clearInterval(look))
    })
    const asked = calls() - start
    assert.equal(first.code, 1, first.err)
    assert.ok(asked >= 8 && asked < 30, `${asked} calls`)
    const [part] = parsed(first).scores
    assert.equal(part!.splits[0]!.asked, asked)
    assert.match(part!.failure!, /the same command goes on where it stopped/)
    const second = await sluice(args)
    assert.equal(second.code, 0, second.err)
    assert.equal(calls() - start, 30)
    assert.equal(parsed(second).scores[0]!.splits[0]!.asked, 30)
  })

  test('stops before the cap would be exceeded, with eight calls at once, and says what is missing', async () => {
    const { code, out, err } = await sluice(folder.args(['capped'], '--budget', '0.004'))
    assert.equal(code, 1, err)
    assert.match(err, /capped: about \$0\.0\d+ for 30 calls/)
    assert.match(out, /\(\d+ of 30 asked\)/)
    assert.match(out, /## Not finished\n- capped: \d+ items are missing: the budget does not reach/)
    const lines = readFileSync(join(folder.dir, 'out', 'answers', 'capped.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
    const spent = lines
      .map((line) => (JSON.parse(line) as { usage: { inputTokens: number; outputTokens: number } }).usage)
      .reduce((sum, usage) => sum + (usage.inputTokens * PRICES.input + usage.outputTokens * PRICES.output) / 1e6, 0)
    assert.ok(lines.length > 8 && spent <= 0.004, `${lines.length} calls, $${spent}`)
  })

  test('an endpoint that is dead takes itself out alone, with its remedy', async () => {
    const start = calls()
    const { code, out, err } = await sluice(folder.args(['dead', 'stand-in']))
    assert.equal(code, 1, err)
    assert.equal(calls(), start)
    assert.match(out, /\| dead \| `sluice-stand-in` \| – \|/)
    assert.match(
      out,
      /- dead: 30 items are missing: SL402 .*127\.0\.0\.1:1 cannot be reached.*; what to do: check base_url/,
    )
    assert.match(out, /\| stand-in \| `sluice-stand-in` \| \d+\.\d % \[/)
  })

  test('one LLM may be given by flags', async () => {
    const flags = ['--base-url', standIn.url, '--llm-model', 'sluice-stand-in', '--price', '0,0,0', '--sample', '5']
    const { code, out, err } = await sluice(folder.args(['by-flags'], ...flags))
    assert.equal(code, 0, err)
    assert.match(out, /\| by-flags \|.*\| \$0 \|/)
  })

  const wrong: { args: string[]; yaml?: object; says: RegExp }[] = [
    { args: ['--llm', 'stand-on'], says: /no LLM "stand-on" in .*benchmark\.yaml \(did you mean "stand-in"\?\)/ },
    { args: ['--task', 'relevance'], says: /either --task NAME or --rubric FILE/ },
    { args: [], says: /needs a contestant: --model DIR or --llm NAME/ },
    { args: ['--llm', 'x', '--base-url', 'http://127.0.0.1:1/v1'], says: /--price INPUT,CACHED,OUTPUT is needed/ },
    { args: ['--llm', 'x', '--price', '1,2'], says: /--price 1,2: three numbers/ },
    { args: ['--llm', 'x', '--price', '1,2,3', '--api-key-env', 'NOT_SET'], says: /NOT_SET: this .* is not set/ },
    { args: ['--llm', 'x', '--price', '1,2,3', '--base-url', 'x'], says: /llms\.x\.base_url: this is not a URL/ },
    { args: ['--llm', 'stand-in', '--llm', 'stand-in'], says: /stand-in is named twice/ },
    { args: ['--llm', 'stand-in', '--sample', 'all'], says: /--sample is a whole number from 1, not "all"/ },
    { args: ['--llm', 'stand-in', '--budget', '-1'], says: /--budget/ },
    { args: ['--llm', 'a'], yaml: { a: { model: 'm', prices: PRICES } }, says: /:1: llms\.a\.base_url: needed/ },
    {
      args: ['--llm', 'a'],
      yaml: { a: { base_url: 'u', model: 'm' } },
      says: /llms\.a\.prices: needed.*0 where it is/,
    },
    {
      args: ['--llm', 'a'],
      yaml: { a: { base_url: 'u', modle: 'm', prices: PRICES } },
      says: /"llms\.a\.modle" \(did/,
    },
    { args: ['--llm', '../a'], yaml: { '../a': FINE }, says: /:1: llms: a name is letters, digits/ },
  ]
  for (const { args, yaml, says } of wrong)
    test(`${args.join(' ') || 'no contestant'}${yaml ? ` of ${JSON.stringify(yaml)}` : ''} is refused, and says what`, async () => {
      const file = join(folder.dir, `${yaml ? 'wrong' : 'benchmark'}.yaml`)
      if (yaml) writeFileSync(file, JSON.stringify({ llms: yaml }))
      // SL1…: the command line then exits 2, with the remedy.
      await assert.rejects(run(folder.args([], '--llms', file, ...args)), (error: SluiceError) => {
        assert.match(error.code, /^SL1/)
        assert.match(error.message, says)
        return true
      })
    })

  test('a mistake makes exit 2, with what to do, and nothing on stdout', async () => {
    const { code, out, err } = await sluice(folder.args(['stand-on']))
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /SL104 .*\n {2}what to do: /)
  })
})
