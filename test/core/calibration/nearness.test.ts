// Probabilities joined with nearness: the fit finds what the data was made with, and never believes the wrong way round.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { fitNearness, nearnessLevels, withNearness } from '../../../src/core/calibration/nearness.ts'
import { random } from '../../../src/core/random.ts'

function made(rows: number, weights: { bias: number; own: number; near: number }, seed = 1) {
  const next = random(seed)
  const probabilities = Float32Array.from({ length: rows }, () => 0.02 + 0.96 * next())
  const nearness = Float32Array.from({ length: rows }, () => 2 * next() - 1)
  const hits = Uint8Array.from(probabilities, (own, row) =>
    next() < withNearness(weights, own, nearness[row]!) ? 1 : 0,
  )
  return { probabilities, nearness, hits }
}

describe('probabilities joined with nearness', () => {
  for (const weights of [
    { bias: -0.5, own: 1, near: 2 },
    { bias: 1, own: 0.4, near: 0 },
  ])
    test(`are fitted to what the hits were drawn from: ${JSON.stringify(weights)}`, () => {
      const { probabilities, nearness, hits } = made(20_000, weights)
      const { weights: found } = fitNearness(probabilities, nearness, hits)
      for (const name of ['bias', 'own', 'near'] as const)
        assert.ok(Math.abs(found[name] - weights[name]) < 0.15, `${name} ${found[name]}`)
    })

  test('never believe an answer less for being nearer or surer, whatever the rows say', () => {
    const row = fc.tuple(
      fc.float({ min: 0, max: 1, noNaN: true }),
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.constantFrom(0, 1),
    )
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), (rows) => {
        const { bias, own, near } = fitNearness(
          rows.map(([probability]) => probability),
          rows.map(([, nearness]) => nearness),
          rows.map(([, , hit]) => hit),
        ).weights
        assert.ok(own >= 0 && near >= 0 && Number.isFinite(bias + own + near), `${bias} ${own} ${near}`)
      }),
    )
  })

  test('are the share of hits where neither the model nor nearness tells hits from misses', () => {
    const probabilities = Float32Array.from({ length: 1000 }, (_, row) => 0.8 + 0.15 * (row % 2))
    const nearness = probabilities.map((own) => 10 * (own - 0.87))
    const hits = Uint8Array.from({ length: 1000 }, (_, row) => (row % 2 === 1 && row % 20 < 10 ? 0 : 1))
    const { bias, own, near } = fitNearness(probabilities, nearness, hits).weights
    assert.deepEqual([own, near], [0, 0])
    assert.ok(Math.abs(1 / (1 + Math.exp(-bias)) - 0.75) < 0.001, String(bias))
  })

  test('stay finite where the rows are told apart without an error, and where there are none', () => {
    const apart = fitNearness([0.999999, 1, 0, 1e-9], [1, 1, -1, -1], [1, 1, 0, 0]).weights
    assert.ok(Object.values(apart).every(Number.isFinite))
    assert.ok(withNearness(apart, 1, 1) > 0.9 && withNearness(apart, 0, -1) < 0.1)
    assert.ok(Object.values(fitNearness([], [], []).weights).every(Number.isFinite))
  })

  test('never rise with depth, and leave no number as no number', () => {
    const weights = [
      { bias: -3, own: 1, near: 1 },
      { bias: 0, own: 1, near: 1 },
    ]
    const probabilities = Float32Array.from([0.9, 0.8, NaN, NaN])
    nearnessLevels(weights, probabilities, Float32Array.from([0, 0.5, 0, 0]))
    assert.ok(probabilities[0]! >= probabilities[1]! && probabilities[1]! > 0.8)
    assert.ok(Number.isNaN(probabilities[2]) && Number.isNaN(probabilities[3]))
  })
})
