// Cleaning from end to end in this process, on made-up rows with labels made wrong on purpose.
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { CLEANING } from '../../../src/core/cleaning/settings.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { pathKey } from '../../../src/core/labels.ts'
import { after, clean } from '../../../src/learn/clean/clean.ts'
import { reviewPage } from '../../../src/learn/clean/page.ts'
import { changesOf, countsMarkdown, countsOf, twoLabelsOf } from '../../../src/learn/clean/report.ts'
import { cleanRows } from '../../../src/learn/clean/rows.ts'
import { fatesOf, verdictsOf } from '../../../src/learn/clean/verdicts.ts'
import { SMALL, shopRows } from '../../support/lexical.ts'
import type { Cleaning, CleanOptions, CleanProgress } from '../../../src/learn/clean/clean.ts'
import type { CleanRows } from '../../../src/learn/clean/rows.ts'
import type { Row } from '../../../src/learn/examples.ts'

const OPTIONS: CleanOptions = {
  folds: 3,
  rounds: 1,
  seed: 1,
  lexical: { ...SMALL, effort: 200 },
  cleaning: CLEANING,
}
const tools = { runtime, signal: new AbortController().signal, report: () => {} }
const HOSTILE = '</script><script>alert(1)</script><!-- & \u2028'

interface ShopRow {
  readonly title: string
  readonly label: readonly string[]
  readonly by?: string
  readonly source?: string
}

const file = 'shop.jsonl'
const asRows = (values: readonly unknown[]): Row[] => values.map((value, line) => ({ file, line: line + 1, value }))

/** Every tenth label is another; a person gave the first wrong one. */
function noisy(): { rows: ShopRow[]; wrong: Set<string> } {
  const rows: ShopRow[] = shopRows(300)
  const labels = [...new Map(rows.map(({ label }) => [pathKey(label), label])).values()]
  const wrong = new Set<string>()
  for (let at = 3; at < rows.length; at += 10) {
    const { title, label } = rows[at]!
    const others = labels.filter((other) => pathKey(other) !== pathKey(label))
    const by = at === 3 ? { by: 'human' } : {}
    rows[at] = { title, label: others[at % others.length]!, ...by }
    wrong.add(`${file}:${at + 1}`)
  }
  rows.push({ title: 'green tea', label: ['drinks', 'tea'] }, { title: ' Green  TEA', label: ['home', 'towels'] })
  return { rows, wrong }
}

describe('cleaning of labels', () => {
  const { rows, wrong } = noisy()
  let data: CleanRows
  let cleaned: Cleaning
  const progress: CleanProgress[] = []
  before(async () => {
    data = await cleanRows(asRows(rows))
    cleaned = await clean(data, OPTIONS, { ...tools, report: (one) => progress.push(one) })
  })

  it('finds most of the labels made wrong, hardly any other, and puts the right ones back', () => {
    const changes = changesOf(data, cleaned)
    const found = changes.filter(({ row }) => wrong.has(row))
    assert.ok(found.length >= 0.5 * wrong.size, `${found.length} of ${wrong.size}`)
    assert.ok(found.length >= 0.9 * changes.length, `${changes.length - found.length} others`)
    const truth = shopRows(300)
    const right = found.filter(
      (change) => pathKey(change.new) === pathKey(truth[Number(change.row.split(':')[1]) - 1]!.label),
    )
    assert.ok(right.length >= 0.9 * found.length, `${right.length} of ${found.length}`)
    assert.ok(Math.abs(cleaned.estimatedNoise[1]! - 0.1) < 0.06, cleaned.estimatedNoise.join())
  })

  it('says where it stands, up to the end', () => {
    assert.ok(progress.length > 3)
    const dones = progress.map(({ done }) => done)
    const { done, total, round } = progress.at(-1)!
    assert.ok(done <= total && done > 0.9 * total && round === OPTIONS.rounds - 1)
    assert.deepEqual(
      dones,
      [...dones].sort((a, b) => a - b),
    )
  })

  it('keeps what a person labelled, and rows with two labels, which it lists', () => {
    const of = (key: string) => cleaned.decisions[data.facts.keys.indexOf(key)]!
    assert.deepEqual(of(`${file}:4`), { action: 'keep', reason: 'human' })
    assert.deepEqual(of(`${file}:301`), { action: 'keep', reason: 'two labels' })
    const [torn, ...more] = twoLabelsOf(data)
    assert.equal(more.length, 0)
    assert.deepEqual(torn!.rows.map(({ row }) => row).sort(), [`${file}:301`, `${file}:302`])
  })

  it('decides the same whatever the order of the rows, and with the same seed', async () => {
    const backwards = await cleanRows(asRows(rows).reverse())
    const again = await clean(backwards, OPTIONS, tools)
    assert.deepEqual(changesOf(backwards, again), changesOf(data, cleaned))
  })

  it('a second round learns from the labels of the first and judges the given ones', async () => {
    const twice = await clean(data, { ...OPTIONS, rounds: 2 }, tools)
    const found = changesOf(data, twice)
    assert.notDeepEqual(found, changesOf(data, cleaned))
    for (const { row, old } of found) {
      const given = rows[Number(row.split(':')[1]) - 1]!.label
      assert.equal(pathKey(old), pathKey(given))
    }
  })

  it('counts what it did by reason, level and source, and the counts add up', () => {
    const counts = countsOf(data, cleaned)
    const changed = changesOf(data, cleaned).length
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
    assert.equal(counts.replaced + counts.dropped, changed)
    assert.equal(sum(Object.values(counts.reasons)), rows.length)
    assert.equal(sum(Object.values(counts.levels)), changed)
    assert.deepEqual(counts.sources, { [file]: { rows: rows.length, changed } })
    assert.match(countsMarkdown(counts, 'sluice clean'), new RegExp(`Of ${rows.length} rows ${counts.replaced} labels`))
  })

  it('a product cannot break out of the page', () => {
    const changes = changesOf(data, cleaned).map((change) => ({ ...change, texts: { title: HOSTILE } }))
    const page = reviewPage('<script type="application/json">{{data}}</script>', changes, countsOf(data, cleaned))
    assert.equal(page.split('</script>').length, 2)
    assert.ok(!page.includes('<!--'))
    const inside = page.slice(page.indexOf('>') + 1, page.lastIndexOf('<'))
    assert.deepEqual((JSON.parse(inside) as { changes: unknown }).changes, changes)
  })

  it('verdicts: accepted and rejected changes become a person’s, the others stand', () => {
    const changes = changesOf(data, cleaned)
    const [accepted, rejected, open] = changes as [(typeof changes)[0], (typeof changes)[0], (typeof changes)[0]]
    const lines = asRows([
      { row: accepted.row, verdict: 'accept', old: accepted.old },
      { row: rejected.row, verdict: 'reject', old: rejected.old },
    ])
    const fates = fatesOf(changes, verdictsOf(lines, changes))
    assert.deepEqual(fates.get(accepted.row), { label: accepted.new, human: true })
    assert.deepEqual(fates.get(rejected.row), { label: rejected.old, human: true })
    assert.deepEqual(fates.get(open.row), { label: open.new, human: false })
  })

  const change = { row: 'f:1', action: 'replace', old: ['a'], new: ['b'] }
  const bad: Record<string, object> = {
    'no verdict': { row: 'f:1', verdict: 'maybe', old: ['a'] },
    'a row that was not changed': { row: 'f:2', verdict: 'accept', old: ['a'] },
    'another old label': { row: 'f:1', verdict: 'accept', old: ['c'] },
  }
  for (const [name, line] of Object.entries(bad))
    it(`verdicts with ${name} are refused, with their line`, () => {
      assert.throws(() => verdictsOf(asRows([line]), [change] as never), isError('SL502', /shop\.jsonl, line 1/))
    })

  it('says SL502 where the rows are too few for the folds', async () => {
    const few = await cleanRows(asRows(shopRows(25)))
    await assert.rejects(clean(few, OPTIONS, tools), isError('SL502', /25 rows are too few for 3 folds/))
  })

  it('says SL502 where all rows say nearly the same', async () => {
    const titles = ['a desk lamp with a switch and a long cable', 'a desk lamp with a switch and a long cables']
    const same = Array.from({ length: 60 }, (_, at) => ({ title: titles[at % 2], label: ['home', `${at % 3}`] }))
    await assert.rejects(
      async () => clean(await cleanRows(asRows(same)), OPTIONS, tools),
      isError('SL502', /nearly the same/),
    )
  })

  it('stops when told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(clean(data, OPTIONS, { ...tools, signal }), /enough/)
  })

  it('a dropped row has no label', () => {
    assert.equal(after({ action: 'drop', reason: 'wrong, right one unsure', level: 0, sureness: 1 }, 3), -1)
  })
})

function isError(code: string, message: RegExp) {
  return (error: unknown) => error instanceof SluiceError && error.code === code && message.test(error.message)
}
