import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { fitOffsets } from '../../../src/learn/pair/calibrate.ts'
import { type Offsets, fitOffsetsBySource, logFactors } from '../../../src/learn/pair/decisions.ts'

describe('decisions against the prior, an offset a class and source', () => {
  const parts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 })
  const offset = fc.double({ min: -4, max: 4, noNaN: true })
  const factors = (own: readonly number[], offsets: Offsets): Float32Array => {
    const out = new Float32Array(2)
    logFactors({ parts: Float32Array.from(own), group: Int32Array.of(0), sources: 2 }, offsets, 0, out, 0)
    return out
  }

  it('weigh a class by something between what the sources weigh it by, and nothing by nothing', () => {
    fc.assert(
      fc.property(parts, fc.tuple(offset, offset, offset, offset), (own, [a, b, c, d]) => {
        const found = factors(own, [
          [a, b],
          [c, d],
        ])
        for (const [at, [one, other]] of [
          [a, c],
          [b, d],
        ].entries()) {
          const whole = own[at]! + own[2 + at]!
          const bounds = whole > 1e-6 ? [one!, other!] : [one!, other!, 0]
          assert.ok(found[at]! >= Math.min(...bounds) - 1e-4 && found[at]! <= Math.max(...bounds) + 1e-4)
        }
      }),
    )
  })

  it('are those of the source where the style leaves no doubt', () => {
    const [first, second] = factors(
      [0, 0, 0.3, 0.7],
      [
        [3, -3],
        [0.5, -1],
      ],
    )
    assert.ok(Math.abs(first! - 0.5) < 1e-5 && Math.abs(second! + 1) < 1e-5)
  })

  it('are chosen by each source for itself: a class that one hardly has is answered where another has it', () => {
    // The same doubtful rows; in the first source a third of them are of class 1, in the second none.
    const rows = 400
    const group = Int32Array.from({ length: rows }, (_, row) => row % 2)
    const labels = Int32Array.from({ length: rows }, (_, row) => (row % 2 === 0 && row % 3 === 0 ? 1 : 0))
    const sure = (row: number) => (row % 2 === 0 && row % 3 === 0 ? [0.6, 0.4] : [0.9, 0.1])
    const shares = Array.from({ length: rows }, (_, row) => sure(row)).flat()
    const scored = { scores: Float32Array.from(shares, Math.log), labels, sources: group, classes: 2 }
    const said = { parts: new Float32Array(rows * 4), group, sources: 2 }
    const [first, second] = fitOffsetsBySource(scored, said, Int32Array.from(labels.keys()))
    assert.ok(first![1]! - first![0]! > Math.log(0.6 / 0.4), `${first}`)
    assert.deepEqual(second, [0, 0])
  })

  for (const [rare, says] of [
    [49, 'keeps 0: they say too little'],
    [50, 'has an offset where that answers more of it'],
  ] as const)
    it(`a class of ${rare} rows ${says}`, () => {
      const labels = Int32Array.from({ length: 500 }, (_, row) => (row < rare ? 1 : 0))
      const shares = Array.from(labels, (label) => (label === 1 ? [0.6, 0.4] : [0.9, 0.1])).flat()
      const scored = { scores: Float32Array.from(shares, Math.log), labels, sources: new Int32Array(500), classes: 2 }
      const [usual, other] = fitOffsets(scored, Int32Array.from(labels.keys()))
      assert.equal(usual, 0)
      assert.equal(other! > 0, rare >= 50)
    })

  it('are none for a source of which there are no rows', () => {
    const scored = { scores: new Float32Array(2), labels: new Int32Array(1), sources: new Int32Array(1), classes: 2 }
    const said = { parts: new Float32Array(4), group: new Int32Array(1), sources: 2 }
    assert.deepEqual(fitOffsetsBySource(scored, said, Int32Array.of(0))[1], [0, 0])
  })
})
