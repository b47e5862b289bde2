import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { cheapest, fitWeights, logs, mixed, steps } from '../../../src/learn/stack/mix.ts'

const PATHS = 4

/** A distribution over the paths. */
const distribution = fc
  .array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: PATHS, maxLength: PATHS })
  .map((values) => {
    const total = values.reduce((sum, one) => sum + one)
    return values.map((value) => value / total)
  })
const judgedRow = fc.record({ a: distribution, b: distribution, gold: fc.integer({ min: 0, max: PATHS - 1 }) })

/** What two experts say of some rows, [rows × 4] each, and a gold path a row. */
const judged = fc.array(judgedRow, { minLength: 1, maxLength: 30 }).map((rows) => ({
  a: Float32Array.from(rows.flatMap((row) => row.a)),
  b: Float32Array.from(rows.flatMap((row) => row.b)),
  gold: Int32Array.from(rows, (row) => row.gold),
}))

const lossOf = (probabilities: Float32Array, gold: Int32Array) =>
  gold.reduce((sum, path, row) => sum - Math.log(probabilities[row * PATHS + path]!), 0) / gold.length

describe('a mixture of experts', () => {
  it('is a distribution, whatever the weights', () => {
    const weights = fc.tuple(fc.double({ min: 0, max: 3, noNaN: true }), fc.double({ min: 0, max: 3, noNaN: true }))
    fc.assert(
      fc.property(judged, weights, ({ a, b }, given) => {
        const mix = mixed([logs(a), logs(b)], given, PATHS)
        for (let row = 0; row < mix.length; row += PATHS) {
          const own = mix.subarray(row, row + PATHS)
          assert.ok(Math.abs(own.reduce((sum, value) => sum + value, 0) - 1) < 1e-5)
          assert.ok(own.every((value) => value >= 0))
        }
      }),
    )
  })

  it('is the expert itself where only that one has weight', () => {
    fc.assert(
      fc.property(judged, ({ a, b }) => {
        const mix = mixed([logs(a), logs(b)], [1, 0], PATHS)
        mix.forEach((value, at) => assert.ok(Math.abs(value - a[at]!) < 1e-5))
      }),
    )
  })

  it('with fitted weights fits the rows no worse than the experts weighed alike', () => {
    fc.assert(
      fc.property(judged, ({ a, b, gold }) => {
        const experts = [logs(a), logs(b)]
        const weights = fitWeights(experts, gold, PATHS)
        assert.ok(weights.every((weight) => weight >= 0))
        const fitted = lossOf(mixed(experts, weights, PATHS), gold)
        assert.ok(fitted <= lossOf(mixed(experts, [0.5, 0.5], PATHS), gold) + 1e-5)
      }),
      { numRuns: 50 },
    )
  })

  it('gives the weight to the expert who knows', () => {
    const gold = Int32Array.from({ length: 200 }, (_, row) => row % PATHS)
    const knows = Float32Array.from({ length: 200 * PATHS }, (_, at) => (at % PATHS === gold[at >> 2] ? 0.7 : 0.1))
    const guesses = new Float32Array(200 * PATHS).map((_, at) => ((at * 7) % 5 === 0 ? 0.4 : 0.2))
    const [known, guessed] = fitWeights([logs(knows), logs(guesses)], gold, PATHS)
    assert.ok(known! > 10 * guessed!, `${known} ${guessed}`)
  })

  it('cannot be vetoed by an expert who is certain and wrong', () => {
    const [sure] = mixed([logs(Float32Array.of(0, 1, 0, 0)), logs(Float32Array.of(1, 0, 0, 0))], [0.4, 1], PATHS)
    assert.ok(sure! > 0.9)
  })
})

describe('when to ask', () => {
  const points = [0, 0.25, 0.5, 0.75, 1.01]

  it('never asking is the cheap expert, always asking is the mixture', () => {
    fc.assert(
      fc.property(judged, ({ a, b, gold }) => {
        const all = steps(a, b, gold, PATHS, points)
        const [never, always] = [all[0]!, all.at(-1)!]
        assert.deepEqual([never.asked, always.asked], [0, 1])
        assert.equal(never.accuracy, steps(a, a, gold, PATHS, [1.01])[0]!.accuracy)
        assert.equal(always.accuracy, steps(b, b, gold, PATHS, [0])[0]!.accuracy)
        const shares = all.map(({ asked }) => asked)
        assert.deepEqual(
          shares,
          shares.toSorted((x, y) => x - y),
        )
      }),
    )
  })

  it('the cheapest point gives up no more than it may', () => {
    fc.assert(
      fc.property(judged, ({ a, b, gold }) => {
        const all = steps(a, b, gold, PATHS, points)
        const chosen = cheapest(all, { accuracy: 0.1, loss: 10 })
        const most = Math.max(...all.map(({ accuracy }) => accuracy))
        assert.ok(chosen.accuracy >= most - 0.1)
        assert.ok(all.every(({ asked, accuracy }) => asked >= chosen.asked || accuracy < most - 0.1))
      }),
    )
  })
})
