// What `sluice cost` takes for a time, and what its page says where there is nothing to lay side by side.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { timeOf } from '../../src/cli/cost.ts'
import { costPage } from '../../src/cli/cost/page.ts'
import { costReport } from '../../src/core/llm/cost.ts'
import { callRecord } from '../support/calls.ts'
import type { CallRecord } from '../../src/core/llm/ledger.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')

describe('a time', () => {
  for (const [text, says] of [
    ['2026-11-22', '2026-11-22T00:00:00.000Z'],
    ['2026-11-22T08:00', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22 08:00:30', '2026-11-22T08:00:30.000Z'],
    ['2026-11-22T08:00:00Z', '2026-11-22T08:00:00.000Z'],
    ['2026-11-22T08:00:00+02:00', '2026-11-22T06:00:00.000Z'],
    ['30m', '2026-11-22T11:30:00.000Z'],
    ['7d', '2026-11-15T12:00:00.000Z'],
    ['999999d', '1970-01-01T00:00:00.000Z'],
  ] as const)
    test(`${text} is in UTC, wherever it is said`, () => {
      const { TZ } = process.env
      process.env['TZ'] = 'America/New_York'
      try {
        assert.equal(new Date(timeOf('since', text, NOW)!).toISOString(), says)
      } finally {
        if (TZ === undefined) delete process.env['TZ']
        else process.env['TZ'] = TZ
      }
    })

  for (const text of ['yesterday', '2026-13-45', '7', '7w', '22.11.2026', ''])
    test(`"${text}" is none`, () => assert.throws(() => timeOf('since', text, NOW), /--since .*: not a date/))
})

describe('the page', () => {
  const call = callRecord({ state: 'booked', at_ms: NOW, costUsd: 0, asked: 1, items: ['i'] })
  const ended = [{ task: 'shop', tier: 'llm', day: '2026-11-22', items: 1 }]
  const page = (calls: readonly CallRecord[]) =>
    costPage('task', costReport('task', calls, ended), { since_ms: 0, until_ms: NOW })

  test('says that a price is missing, where it is', () => assert.match(page([call]), /llm\.prices did not name/))
  test('says that nothing was asked yet, where it is so', () => assert.match(page([]), /was asked yet/))
  test('sets both sums side by side', () => {
    const text = page([{ ...call, costUsd: 1, aloneUsd: 4 }])
    assert.match(text, /with Sluice +\$1\.0000 .*\n +without Sluice +\$4\.0000/)
  })
})
