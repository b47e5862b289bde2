// A process's life: the whole table, walked, and what follows from it for any order of signals.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { transition } from '../../src/core/lifecycle.ts'
import type { Signal, State } from '../../src/core/lifecycle.ts'

const SIGNALS: readonly Signal[] = ['started', 'drain', 'ended', 'failed']
const TABLE: Readonly<Record<State, readonly (State | undefined)[]>> = {
  starting: ['running', 'draining', 'stopped', 'failed'],
  running: [undefined, 'draining', 'stopped', 'failed'],
  draining: [undefined, undefined, 'stopped', 'failed'],
  stopped: [undefined, undefined, undefined, undefined],
  failed: [undefined, undefined, undefined, undefined],
}

describe('the life of a process', () => {
  for (const [state, row] of Object.entries(TABLE) as [State, readonly (State | undefined)[]][])
    for (const [index, signal] of SIGNALS.entries())
      test(`${state}, ${signal}: ${row[index] ?? 'nothing happens'}`, () => {
        assert.equal(transition(state, signal), row[index])
      })

  test('for any signals: no state comes back, a drain is never undone, an end is final', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...SIGNALS)), (signals) => {
        const passed: State[] = ['starting']
        for (const signal of signals) {
          const next = transition(passed.at(-1)!, signal)
          if (next !== undefined) passed.push(next)
        }
        assert.equal(new Set(passed).size, passed.length)
        if (passed.includes('draining')) assert.ok(passed.indexOf('running') < passed.indexOf('draining'))
        const ends = passed.filter((state) => state === 'stopped' || state === 'failed')
        assert.ok(ends.length <= 1 && (ends.length === 0 || ends[0] === passed.at(-1)))
      }),
    )
  })
})
