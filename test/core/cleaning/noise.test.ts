import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { corrected, estimatedNoise } from '../../../src/core/cleaning/noise.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { random } from '../../../src/core/random.ts'
import { withNoise } from '../../support/noise.ts'

const TREE = treeOf(
  labelSet([
    ['drinks', 'juice'],
    ['drinks', 'tea'],
    ['home', 'lamps'],
    ['home', 'towels'],
  ]),
)

describe('the estimated share of wrong labels', () => {
  /** Half of the rows are easy; on the other half the model guesses, and knows that it does. */
  function estimate(rate: number): number[] {
    const next = random(5)
    const rows = 4000
    const truth = Int32Array.from({ length: rows }, () => Math.floor(next() * 4))
    const given = withNoise(truth, TREE, rate, 'uniform', 2)
    const easy = truth.map(() => (next() < 0.5 ? 1 : 0))
    const best = truth.map((path, row) => (easy[row] === 1 ? path : Math.floor(next() * 4)))
    const bestLevels = Float32Array.from(Array.from(easy).flatMap((one) => (one === 1 ? [0.9, 0.8] : [0.4, 0.3])))
    return estimatedNoise({ rows, given, best, bestLevels, givenLevels: bestLevels.map(() => 0.1) }, TREE)
  }

  for (const rate of [0, 0.1, 0.3])
    it(`is near ${rate} where so many are, though the model errs on hard rows`, () => {
      const [l1, l2] = estimate(rate)
      // A wrong path lies in the other branch two times in three.
      assert.ok(Math.abs(l1! - (rate * 2) / 3) < 0.03, String(l1))
      assert.ok(Math.abs(l2! - rate) < 0.03, String(l2))
    })
})

describe('a probability corrected for noise', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  it('undoes what noise did to it', () => {
    fc.assert(
      fc.property(
        share,
        fc.double({ min: 0, max: 0.45, noNaN: true }),
        fc.integer({ min: 2, max: 50 }),
        (p, noise, nodes) => {
          const seen = (1 - noise) * p + (noise * (1 - p)) / (nodes - 1)
          assert.ok(Math.abs(corrected(seen, noise, nodes) - p) < 1e-6)
        },
      ),
    )
  })

  it('stays a probability, whatever the noise', () => {
    fc.assert(
      fc.property(share, share, fc.integer({ min: 1, max: 9 }), (p, noise, nodes) => {
        const found = corrected(p, noise, nodes)
        assert.ok(found >= 0 && found <= 1)
      }),
    )
  })
})
