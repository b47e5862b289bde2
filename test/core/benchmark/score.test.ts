// A benchmark small enough to be counted by hand.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { score } from '../../../src/core/benchmark/score.ts'
import { NO_USAGE } from '../../../src/core/llm/usage.ts'
import { itemOf } from '../../support/benchmark.ts'
import type { Given, Performance, Split } from '../../../src/core/benchmark/score.ts'

const FREE = { input: 0, cached_input: 0, output: 0 }
const split = (name: Split['name'], ...golds: string[]): Split => ({
  name,
  items: golds.map((gold, at) => itemOf(`${name} ${at}`, gold.split('/'))),
})
const said = (...labels: (string | null)[]): (Given | undefined)[] =>
  labels.map((label) => {
    if (label === null) return undefined
    return label.startsWith('!') ? { why: label.slice(1) as 'malformed' } : { label: label.split('/') }
  })

const performance = (name: string, given: Performance['given'], more: Partial<Performance> = {}): Performance => ({
  name,
  kind: 'local',
  model: 'm',
  given,
  latencies_ms: [1, 2, 3, 4],
  batch: 1,
  usage: NO_USAGE,
  price: FREE,
  ...more,
})

describe('the table of a hand-made case', () => {
  const splits = [split('in-distribution', 'a/x', 'a/x', 'a/y', 'b/z'), split('out-of-distribution', 'b/z', 'b/z')]
  const llmGiven = [said('a/x', 'a/x', 'a/y', '!malformed'), said('b/z', null)]
  const table = score(splits, 2, [
    performance('weak', [said('a/x', 'a/y', 'b/z', 'b/z'), said('a/x', 'b/z')]),
    performance('strong', [said('a/x', 'a/x', 'a/x', 'b/z'), said('b/z', 'a/y')], {
      itemsPerSecond: 1_000,
      machineUsdPerHour: 0.36,
    }),
    performance('llm', llmGiven, {
      kind: 'llm',
      usage: { inputTokens: 5_000, cachedInputTokens: 1_000, outputTokens: 500 },
      price: { input: 2, cached_input: 1, output: 10 },
    }),
  ])
  const [weak, strong, llm] = table.scores

  test('counts each level only where the whole path down to it is right', () => {
    const shares = (index: number) => table.scores[index]!.splits[0]!.accuracy.map(({ share }) => share)
    assert.deepEqual(
      [shares(0), shares(1), shares(2)],
      [
        [0.75, 0.5],
        [1, 0.75],
        [0.75, 0.75],
      ],
    )
    const { low, high } = strong!.splits[0]!.accuracy[1]!
    assert.ok(low > 0.29 && low < 0.31 && high > 0.95 && high < 0.96, `${low} ${high}`)
  })

  test('has the two files in columns of their own', () => {
    assert.deepEqual(table.splits, [
      { name: 'in-distribution', items: 4 },
      { name: 'out-of-distribution', items: 2 },
    ])
    assert.deepEqual(
      weak!.splits[1]!.accuracy.map(({ share }) => share),
      [0.5, 0.5],
    )
  })

  test('counts an invalid answer as wrong, and an item that was not asked not at all', () => {
    assert.deepEqual(
      llm!.splits.map(({ asked, unanswered }) => [asked, unanswered]),
      [
        [4, 1],
        [1, 0],
      ],
    )
    assert.deepEqual(llm!.splits[0]!.unansweredBy, { malformed: 1 })
    assert.equal(llm!.splits[1]!.accuracy[1]!.share, 1)
  })

  test('has precision and recall per class, and macro-F1 over the classes that occur', () => {
    const { perClass, macroF1 } = strong!.splits[0]!
    assert.deepEqual(perClass['a > x'], { precision: 2 / 3, recall: 1, f1: 0.8, support: 2 })
    assert.equal(perClass['a > y']!.recall, 0)
    assert.ok(Math.abs(macroF1 - (0.8 + 0 + 1) / 3) < 1e-12)
  })

  test('costs what the tokens of the asked items cost, and a local model what its machine costs', () => {
    // (4,000 × 2 + 1,000 × 1 + 500 × 10) / 1e6 = $0.014 for 5 items.
    assert.ok(Math.abs(llm!.costPer1000! - 2.8) < 1e-12)
    assert.deepEqual(llm!.tokensPerItem, { input: 1_000, cachedInput: 200, output: 100 })
    // $0.36 an hour is $0.0001 a second, which is 1,000 items.
    assert.ok(Math.abs(strong!.costPer1000! - 0.0001) < 1e-12)
    assert.equal(weak!.costPer1000, 0)
  })

  test('has no cost where the provider did not report what it charges for', () => {
    const [silent, free] = score(splits, 2, [
      performance('silent', llmGiven, { kind: 'llm', unreported: 1, price: { input: 1, cached_input: 0, output: 0 } }),
      performance('free', llmGiven, { kind: 'llm', unreported: 1 }),
    ]).scores
    assert.deepEqual([silent!.costPer1000, free!.costPer1000], [undefined, 0])
  })

  test('compares all with the local model that is right most often on the first split, on the items of both', () => {
    assert.equal(table.best, 'strong')
    assert.equal(strong!.splits[0]!.paired, undefined)
    const paired = llm!.splits[0]!.paired!
    assert.deepEqual([paired.items, paired.onlyThis, paired.onlyBest, paired.difference.share], [4, 1, 1, 0])
    assert.equal(paired.verdict, 'no difference shown')
    assert.equal(llm!.splits[1]!.paired!.items, 1)
  })

  test('has the latencies by nearest rank', () => {
    assert.deepEqual(weak!.latency_ms, { p50: 2, p95: 4, p99: 4, timed: 4 })
  })
})

describe('better and worse', () => {
  const golds = Array.from({ length: 40 }, () => 'a')
  const one = split('in-distribution', ...golds)
  const right = (count: number) => said(...golds.map((_, at) => (at < count ? 'a' : 'b')))
  const verdictOf = (count: number, others = 0) =>
    score([one], 1, [
      performance('base', [right(20)]),
      performance('other', [right(count)], { kind: 'llm' }),
      ...Array.from({ length: others }, (_, at) => performance(`same ${at}`, [right(20)], { kind: 'llm' })),
    ]).scores[1]!.splits[0]!.paired!.verdict

  test('are said where the exact test shows it, and not before', () => {
    assert.deepEqual(
      [14, 15, 20, 25, 26].map((count) => verdictOf(count)),
      ['worse', 'no difference shown', 'no difference shown', 'no difference shown', 'better'],
    )
  })

  test('need more where more contestants are compared', () => {
    assert.equal(verdictOf(26, 1), 'no difference shown')
    assert.equal(verdictOf(30, 5), 'better')
  })

  test('are not said of a contestant that was never asked', () => {
    const { scores } = score([one], 1, [
      performance('base', [right(20)]),
      performance('dead', [golds.map(() => undefined)], { kind: 'llm', latencies_ms: [] }),
    ])
    assert.deepEqual(
      [scores[1]!.splits[0]!.paired, scores[1]!.costPer1000, scores[1]!.latency_ms],
      [undefined, undefined, { timed: 0 }],
    )
  })
})
