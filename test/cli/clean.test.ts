// `sluice clean` as a user runs it, in a process of its own where it is to end well or be stopped.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { run } from '../../src/cli/clean.ts'
import { SluiceError } from '../../src/core/error.ts'
import { shopRows } from '../support/lexical.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const ARGS = ['--disable-warning=TimeoutNegativeWarning', MAIN, 'clean']

let dir: string
let data: string

interface Row {
  readonly title: string
  readonly label: string[]
  readonly by?: string
}

const jsonl = (rows: readonly unknown[]) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`
const parsed = <T>(text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

function clean(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...ARGS, ...args], (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-clean-'))
  data = join(dir, 'shop.jsonl.gz')
  const rows: Row[] = shopRows(300)
  const labels = [...new Map(rows.map(({ label }) => [String(label), label])).values()]
  for (let at = 3; at < rows.length; at += 10) {
    const { label } = rows[at]!
    rows[at] = { ...rows[at]!, label: labels[(labels.findIndex((one) => String(one) === String(label)) + 1) % 4]! }
  }
  await writeFile(data, gzipSync(jsonl(rows)))
})
after(() => rm(dir, { recursive: true, force: true }))

describe('sluice clean', () => {
  it('writes the rows and a report; verdicts on it come back without learning anew', { timeout: 300_000 }, async () => {
    const [out, report] = [join(dir, 'clean.jsonl.gz'), join(dir, 'report')]
    const { code, stdout, stderr } = await clean(
      '--data',
      data,
      '--out',
      out,
      '--report',
      report,
      '--folds',
      '3',
      '--json',
    )
    assert.equal(code, 0, stderr)
    const figures = JSON.parse(stdout) as { replaced: number; dropped: number; rows: number }
    assert.ok(figures.replaced > 5 && figures.rows === 300, stdout)
    const before_ = parsed<Row>(gunzipSync(await readFile(data)).toString())
    const rows = parsed<Row>(gunzipSync(await readFile(out)).toString())
    assert.equal(rows.length, 300 - figures.dropped)
    assert.deepEqual((await readdir(report)).sort(), [
      'changes.jsonl',
      'report.md',
      'review.html',
      'summary.json',
      'two-labels.jsonl',
    ])
    const changes = parsed<{ row: string; action: string; old: string[]; new: string[] }>(
      await readFile(join(report, 'changes.jsonl'), 'utf8'),
    )
    assert.equal(changes.length, figures.replaced + figures.dropped)
    const page = await readFile(join(report, 'review.html'), 'utf8')
    const script = /<script>([^]*?)<\/script>/.exec(page)![1]!
    const digest = createHash('sha256').update(script).digest('base64')
    assert.ok(page.includes(`script-src 'sha256-${digest}'`), `page.html allows its own script only: sha256-${digest}`)
    assert.ok(!/(?:src|href)\s*=\s*["']?(?:https?:)?\/\//.test(page), 'the page loads nothing from anywhere')

    const [first, second] = changes.filter(({ action }) => action === 'replace')
    const verdicts = join(dir, 'verdicts.jsonl')
    await writeFile(
      verdicts,
      jsonl([
        { ...first, verdict: 'accept' },
        { ...second, verdict: 'reject' },
      ]),
    )
    const judged = join(dir, 'judged.jsonl')
    const ended = await clean('--data', data, '--out', judged, '--report', report, '--verdicts', verdicts)
    assert.equal(ended.code, 0, ended.stderr)
    const of = (row: string) => Number(row.split(':')[1]) - 1
    const after_ = new Map(parsed<Row & { id: string }>(await readFile(judged, 'utf8')).map((row) => [row.id, row]))
    assert.deepEqual(after_.get(String(of(first!.row))), { ...before_[of(first!.row)], label: first!.new, by: 'human' })
    assert.deepEqual(after_.get(String(of(second!.row))), { ...before_[of(second!.row)], by: 'human' })

    const other = join(dir, 'other', 'shop.jsonl.gz')
    await mkdir(join(dir, 'other'))
    await writeFile(other, gzipSync(jsonl(before_.slice(1))))
    const refused = await clean('--data', other, '--out', judged, '--report', report, '--verdicts', verdicts)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /SL502.*not the file that was judged/s)
  })

  it('stopped by Ctrl-C it writes nothing', { timeout: 300_000 }, async () => {
    const place = join(dir, 'stopped')
    await mkdir(place)
    const big = join(dir, 'big.jsonl')
    await writeFile(big, jsonl(shopRows(4000)))
    const child = spawn(process.execPath, [...ARGS, '--data', big, '--out', join(place, 'out.jsonl'), '--rounds', '20'])
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('judged in') && !child.killed) child.kill('SIGINT')
    })
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 1, said)
    assert.match(said, /SL505.*nothing was written/s)
    assert.deepEqual(await readdir(place), [])
  })

  const wrong: Record<string, { args: () => string[] | Promise<string[]>; says: RegExp }> = {
    'no data': { args: () => ['--out', 'x'], says: /SL104.*needs --data/s },
    'no place to write to': { args: () => ['--data', data], says: /SL104.*needs --out/s },
    'the data as the place to write to': { args: () => ['--data', data, '--out', data], says: /SL104/ },
    'one fold': {
      args: () => ['--data', data, '--out', join(dir, 'x'), '--folds', '1'],
      says: /--folds.*from 2/s,
    },
    'thresholds that are none': {
      args: () => ['--data', data, '--out', join(dir, 'x'), '--thresholds', '.9/2'],
      says: /SL104.*--thresholds/s,
    },
    'verdicts without the report they judge': {
      args: () => ['--data', data, '--out', join(dir, 'x'), '--verdicts', 'v'],
      says: /--report/,
    },
    'verdicts on a folder that holds no report': {
      args: () => ['--data', data, '--out', join(dir, 'x'), '--report', join(dir, 'none'), '--verdicts', 'v'],
      says: /SL102.*summary\.json/s,
    },
    'a file that is not there': {
      args: () => ['--data', join(dir, 'none.jsonl'), '--out', join(dir, 'x')],
      says: /SL102.*none\.jsonl/s,
    },
    'a file in the place of a folder': {
      args: () => ['--data', data, '--out', join(data, 'x')],
      says: /SL102.*cannot be written/s,
    },
    'rows without labels': {
      args: async () => {
        await writeFile(join(dir, 'bare.jsonl'), jsonl(shopRows(50).map(({ title }) => ({ title }))))
        return ['--data', join(dir, 'bare.jsonl'), '--out', join(dir, 'x')]
      },
      says: /SL502.*have no label.*bare\.jsonl:1/s,
    },
    'rows of one label': {
      args: async () => {
        await writeFile(join(dir, 'one.jsonl'), jsonl(shopRows(50).map((row) => ({ ...row, label: ['a', 'b'] }))))
        return ['--data', join(dir, 'one.jsonl'), '--out', join(dir, 'x')]
      },
      says: /SL502.*nothing to tell apart/s,
    },
  }
  for (const [name, { args, says }] of Object.entries(wrong))
    it(`${name}: a clear error, and nothing written`, async () => {
      const given = await args()
      await assert.rejects(run([...given, '--json']), (error) => {
        assert.ok(error instanceof SluiceError)
        assert.match(error.describe(), says)
        return true
      })
      const left = await readdir(dir)
      assert.ok(!left.includes('x') && !left.some((file) => file.endsWith('.part')), left.join())
    })
})
