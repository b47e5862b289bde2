import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ADAMW } from '../../../src/learn/adamw.ts'
import { optimiser } from '../../../src/learn/transformer/optimiser.ts'

const settings = { adamw: { ...ADAMW, weightDecay: 0.1 }, normMax: Infinity }
const near = (got: number, wanted: number) => assert.ok(Math.abs(got - wanted) < 1e-6, `${got}, ${wanted}`)

describe('AdamW on typed arrays', () => {
  it('takes the steps of algorithm 2, decay apart from the moments', () => {
    const w = Float32Array.of(1)
    const { step } = optimiser({ w }, () => true, settings)
    let [theta, m, v] = [1, 0, 0]
    for (const [at, gradient] of [0.5, -2, 0.25].entries()) {
      step([{ name: 'w', values: Float32Array.of(gradient) }], 0.01)
      m = 0.9 * m + 0.1 * gradient
      v = 0.999 * v + 0.001 * gradient ** 2
      const [mean, spread] = [m / (1 - 0.9 ** (at + 1)), v / (1 - 0.999 ** (at + 1))]
      theta -= 0.01 * (mean / (Math.sqrt(spread) + 1e-8) + 0.1 * theta)
      near(w[0]!, theta)
    }
  })

  it('does not decay what is not to decay', () => {
    const w = Float32Array.of(5)
    optimiser({ w }, () => false, settings).step([{ name: 'w', values: Float32Array.of(0) }], 0.1)
    assert.equal(w[0], 5)
  })

  it('moves a weight with a pace of its own so many times as far', () => {
    const weights = { slow: Float32Array.of(1), fast: Float32Array.of(1) }
    const pace = (name: string) => (name === 'fast' ? 30 : 1)
    const { step } = optimiser(weights, () => true, { ...settings, pace })
    step(
      ['slow', 'fast'].map((name) => ({ name, values: Float32Array.of(0.5) })),
      0.001,
    )
    near(1 - weights.fast[0]!, 30 * (1 - weights.slow[0]!))
  })

  it('gives the norm of all gradients and scales longer ones down together', () => {
    const [plain, clipped] = [3, 0.3].map((size) => {
      const weights = { a: Float32Array.of(0), b: new Float32Array(5) }
      const gradient = (name: string, length: number, value: number) => ({
        name,
        values: new Float32Array(length).fill(value),
      })
      const { step } = optimiser(weights, () => false, { ...settings, normMax: size === 3 ? 0.7 : Infinity })
      // The first step of Adam does not see the size of a gradient, the second does.
      step([gradient('a', 1, 0.1), gradient('b', 5, 0.1)], 0.01)
      const norm = step([gradient('a', 1, size), gradient('b', 5, size / 2)], 0.01)
      near(norm, size * Math.sqrt(1 + 5 / 4))
      return weights
    })
    // 3 · √2.25 = 4.5 is scaled by 0.7 / 4.5.
    const scaled = { a: Float32Array.of(0), b: new Float32Array(5) }
    const { step } = optimiser(scaled, () => false, settings)
    step(
      [
        { name: 'a', values: Float32Array.of(0.1) },
        { name: 'b', values: new Float32Array(5).fill(0.1) },
      ],
      0.01,
    )
    const [a, b] = [(3 * 0.7) / 4.5, (1.5 * 0.7) / 4.5]
    step(
      [
        { name: 'a', values: Float32Array.of(a) },
        { name: 'b', values: new Float32Array(5).fill(b) },
      ],
      0.01,
    )
    near(plain!.a[0]!, scaled.a[0]!)
    near(plain!.b[4]!, scaled.b[4]!)
    assert.notEqual(plain!.a[0], clipped!.a[0])
  })

  it('moves the rows of a table that have gradients, adding up those of a row that came twice, and no others', () => {
    const table = new Float32Array(8)
    const rows = BigInt64Array.of(2n, 0n, 2n)
    const values = Float32Array.of(1, 0, 1, 1, -3, 0)
    optimiser({ table }, () => true, settings).step([{ name: 'table', values, rows }], 0.01)
    const moved = Array.from(table, (value) => Math.round(value * 1000) / 1000)
    assert.deepEqual(moved, [-0.01, -0.01, 0, 0, 0.01, 0, 0, 0])
  })
})
