// The table that `sluice demo` ends with: nothing that came out is missing from it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { table } from '../../src/cli/demo/screen.ts'
import { createTally } from '../../src/cli/demo/tally.ts'

const TIERS = ['exact', 'local', 'similar', 'llm']

describe('the table of the demo', () => {
  test('has a row for every tier and every other end, and they add up', () => {
    const tally = createTally(new Map([['soap', 'Care']]))
    const see = (index: number, outcome: string, tier: string) =>
      tally.see({
        headers: {
          'sluice-task': Buffer.from('goods'),
          'sluice-item': Buffer.from(`products/0/${index}/0`),
          'sluice-outcome': Buffer.from(outcome),
          'sluice-tier': Buffer.from(tier),
        },
        entity: 'soap',
        label: outcome === 'result' ? 'Care' : undefined,
        latency_ms: 10,
      })
    TIERS.forEach((tier, at) => see(at, 'result', tier))
    see(10, 'review', '')
    see(11, 'dead-letter', '')
    const [head, , ...rows] = table({ tally, total: 6, sent: 6, elapsed_ms: 1_000, tokens: 0, cost_usd: 0 }).split('\n')
    assert.match(head!, /answered by/)
    const counts = rows.flatMap((row) => /^ {2}(.+?) {2,}(\d+) {2,}/.exec(row)?.slice(1, 3).join(' ') ?? [])
    const ends = ['exact cache', 'local model', 'similar text', 'LLM', 'review', 'dead letter']
    assert.deepEqual(counts, [...ends.map((name) => `${name} 1`), 'all 6'])
  })
})
