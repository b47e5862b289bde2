import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SOURCE_ROWS_MIN, decisions } from '../../../src/learn/pair-stack/decisions.ts'

describe('decisions of a pair stack', () => {
  const few = 120
  const rows = SOURCE_ROWS_MIN + 200 + few
  /** Rows of source 0, then few of source 1. */
  const group = Int32Array.from({ length: rows }, (_, row) => (row < rows - few ? 0 : 1))
  const halves = Uint8Array.from({ length: rows }, (_, row) => row % 2)
  /** Class 1 is there in the first half only, never the most probable. */
  const labels = Int32Array.from({ length: rows }, (_, row) => (row % 6 === 0 ? 1 : 0))
  const shares = Array.from(labels, (label) => (label === 1 ? [0.6, 0.4] : [0.9, 0.1])).flat()
  const scored = { scores: Float32Array.from(shares, Math.log), labels, sources: group, classes: 2 }
  const parts = Float32Array.from({ length: rows * 4 }, (_, at) =>
    Math.floor((at % 4) / 2) === group[Math.floor(at / 4)] ? 0.5 : 0,
  )
  const usual = [
    [0, -3],
    [0, 0.25],
  ]
  const { offsets, factors } = decisions(scored, { parts, group, sources: 2 }, usual, halves)

  it('are by offsets of its own where a source has rows enough, else by those of the pair model', () => {
    assert.equal(offsets[0]![0], 0)
    assert.ok(offsets[0]![1]! > Math.log(0.6 / 0.4), `${offsets[0]}`)
    assert.deepEqual(offsets[1], usual[1])
  })

  it('are judged by offsets that were chosen on the other half', () => {
    for (let row = 0; row < rows; row++) {
      const found = factors[row * 2 + 1]!
      if (group[row] === 1) assert.ok(Math.abs(found - 0.25) < 1e-5)
      else if (halves[row] === 0) assert.ok(Math.abs(found) < 1e-5, 'class 1 never occurs in the other half')
      else assert.ok(found > Math.log(0.6 / 0.4))
    }
  })
})
