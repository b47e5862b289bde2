// The page and the pictures: whole tables, whole SVG, whatever the contestants are called and however little they did.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { score } from '../../../src/core/benchmark/score.ts'
import { NO_USAGE } from '../../../src/core/llm/usage.ts'
import { benchmarkPage, milliseconds, money } from '../../../src/learn/benchmark/markdown.ts'
import { accuracyPlot, latencyPlot } from '../../../src/learn/benchmark/plots.ts'
import { PRICE, shopSplit } from '../../support/benchmark.ts'
import { seed } from '../../support/llm.ts'
import type { Given, Performance } from '../../../src/core/benchmark/score.ts'
import type { Circumstances } from '../../../src/learn/benchmark/markdown.ts'

const splits = [shopSplit(20), shopSplit(10, 'out-of-distribution')]

/** Right on the first `right` items of each split, wrong up to `asked`, silent after that. */
function performance(name: string, right: number, asked: number, more: Partial<Performance> = {}): Performance {
  const given = splits.map(({ items }) =>
    items.map(({ gold }, at): Given | undefined => {
      if (at >= asked) return undefined
      return at < right ? { label: gold } : { why: 'malformed' }
    }),
  )
  return {
    name,
    kind: 'llm',
    model: 'm',
    given,
    latencies_ms: asked === 0 ? [] : [12, 250, 3_000],
    batch: 1,
    usage: asked === 0 ? NO_USAGE : { inputTokens: 9_000, cachedInputTokens: 0, outputTokens: 300 },
    price: PRICE,
    ...more,
  }
}

const local = performance('models/shop', 15, 20, {
  kind: 'local',
  usage: NO_USAGE,
  latencies_ms: [0.1, 0.2],
  itemsPerSecond: 12_345.6,
})

const about: Circumstances = {
  task: 'shop <b>',
  labels: 3,
  seed: 1,
  stratified: false,
  sources: splits.map(({ name, items }) => ({
    name,
    files: [{ file: `${name}.jsonl`, sha256: 'f'.repeat(64) }],
    available: items.length,
    leftOut: { 'have no label': 2 },
    digest: '0123456789abcdef',
  })),
  machine: 'a machine',
  machineUsdPerHour: undefined,
  concurrency: { 'big | <i>LLM': 4 },
  budget: { cap: 1, spent: 0.25 },
  warnings: ['models/shop was trained on x.'],
  date: '2026-01-31',
  command: 'sluice benchmark --task shop',
}

describe('the page', () => {
  const table = score(splits, 1, [
    local,
    performance('big | <i>LLM', 20, 20),
    performance('dead', 0, 0, { failure: 'gone; what to do: look' }),
  ])
  const page = benchmarkPage(table, about)

  test('has the figures of the table, with their intervals', () => {
    assert.match(page, /\| models\/shop \| `m` \| 75\.0 % \[53\.1, 88\.8\] \| 100\.0 % \[72\.2, 100\.0\] \|/)
    assert.match(page, /\| 300 in, 10 out \| \$0\.34 \|/)
    assert.match(page, /\| 250 \/ 3000 \/ 3000 ms \|/)
    assert.match(
      page,
      /\| big .* \| in-distribution \| 20 \| \+25\.0 \[\+?.*\] \| 5 \| 0 \| 0\.063 \| no difference shown \|/,
    )
    assert.match(page, /models\/shop 12346/)
  })

  test('says what was left out, what is missing, and what to be careful about', () => {
    assert.match(page, /2 that have no label/)
    assert.match(page, /- dead: 30 items are missing: gone; what to do: look/)
    assert.match(page, /\| dead \| `m` \|( – \|){8}/)
    assert.match(page, /\*\*Careful:\*\* models\/shop was trained on x\./)
  })

  test('has rows as long as their heads, whatever the names hold, and no hole', () => {
    const cells = (line: string) => line.split(/(?<!\\)\|/).length
    const lines = page.split('\n')
    lines.forEach((line, at) => {
      if (!line.startsWith('| ')) return
      const head = lines.slice(0, at + 1).findLastIndex((each) => !each.startsWith('|')) + 1
      assert.equal(cells(line), cells(lines[head]!), line)
    })
    assert.doesNotMatch(page, /NaN|undefined|Infinity|<i>/)
  })
})

/** Tags that are opened and not closed, or the other way round. */
function unbalanced(svg: string): string[] {
  const open: string[] = []
  for (const [, close, name, self] of svg.matchAll(/<(\/?)([a-zA-Z]+)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (self === '/') continue
    if (close === '') open.push(name!)
    else if (open.pop() !== name) return [`</${name}>`]
  }
  return open
}

describe('the pictures', () => {
  test('are whole, whoever took part and however little was asked', (t) => {
    const contestant = fc.record({
      name: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
      right: fc.nat(20),
      asked: fc.constantFrom(0, 3, 20),
      local: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(contestant, { maxLength: 12 }), (all) => {
        const table = score(
          splits,
          1,
          all.map(({ name, right, asked, local: isLocal }, at) =>
            performance(`${at} ${name}`, right, asked, isLocal ? { kind: 'local', usage: NO_USAGE } : {}),
          ),
        )
        for (const svg of [accuracyPlot(table, about.task), latencyPlot(table, about.task)]) {
          assert.deepEqual(unbalanced(svg), [], svg)
          assert.doesNotMatch(svg, /NaN|undefined|Infinity|<b>|&(?!amp;|lt;|gt;)/)
        }
      }),
      { seed: seed(t), numRuns: 60 },
    )
  })

  test('show each contestant that was asked once, with both splits', () => {
    const svg = accuracyPlot(score(splits, 1, [local, performance('llm', 20, 20), performance('dead', 0, 0)]), 'shop')
    assert.equal(svg.match(/<circle/g)!.length - 1, 2)
    assert.match(svg, />llm</)
    assert.doesNotMatch(svg, />dead</)
  })
})

describe('numbers for people', () => {
  for (const { usd, shown } of [
    { usd: 0, shown: '$0' },
    { usd: 0.0000123, shown: '$0.000012' },
    { usd: 0.034, shown: '$0.034' },
    { usd: 1, shown: '$1.00' },
    { usd: 12.345, shown: '$12.35' },
  ])
    test(`${usd} US dollars are ${shown}`, () => assert.equal(money(usd), shown))

  test('milliseconds have three digits', () => {
    assert.deepEqual([0.123, 1.234, 12.34, 123.4].map(milliseconds), ['0.12', '1.23', '12.3', '123'])
  })
})
