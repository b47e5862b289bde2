// Names of turns: an order in which nobody can wait in a circle.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { mayWaitFor, turnName } from '../../../src/core/llm/turn.ts'

/** Now to the year 2050. */
const time = fc.integer({ min: 1_750_000_000_000, max: 2_524_608_000_000 })
const unique = fc.stringMatching(/^[0-9a-z]{1,32}$/)
const name = fc.tuple(time, unique).map(([now_ms, it]) => turnName(now_ms, it))

describe('names of turns', () => {
  test('an earlier turn never waits for a later one, whatever else they are called', () => {
    fc.assert(
      fc.property(time, time, unique, unique, (a, b, one, other) => {
        fc.pre(a !== b)
        const [early, late] = [turnName(Math.min(a, b), one), turnName(Math.max(a, b), other)]
        assert.deepEqual([mayWaitFor(early, late), mayWaitFor(late, early)], [false, true])
      }),
    )
  })

  test('of any two turns exactly one may wait for the other, and none for itself', () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        assert.equal(mayWaitFor(a, b) !== mayWaitFor(b, a), a !== b)
        assert.equal(mayWaitFor(a, a), false)
      }),
    )
  })

  test('turns of which each may wait for the next are never a circle', () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 6 }), (names) => {
        const isCircle = names.every((own, at) => mayWaitFor(own, names[(at + 1) % names.length]!))
        assert.equal(isCircle, false)
      }),
    )
  })
})
