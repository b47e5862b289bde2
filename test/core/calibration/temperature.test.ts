import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fitTemperatures, jointRow } from '../../../src/core/calibration/temperature.ts'
import { tree } from '../../../src/core/lexical/tree.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { normal, random } from '../../../src/core/random.ts'

describe('temperatures', () => {
  it('undo an overconfidence of known size', () => {
    const paths = tree(labelSet([['a'], ['b'], ['c']]))
    const next = random(7)
    const rows = 4000
    const logits = new Float32Array(rows * 3)
    const gold = new Int32Array(rows)
    for (let row = 0; row < rows; row++) {
      const own = [0, 1, 2].map(() => 1.5 * normal(next))
      const weights = own.map(Math.exp)
      let pick = next() * weights.reduce((sum, weight) => sum + weight, 0)
      gold[row] = weights.findIndex((weight) => (pick -= weight) < 0)
      logits.set(
        own.map((logit) => 3 * logit),
        row * 3,
      )
    }
    const [temperature] = fitTemperatures({ rows, logits: [logits], gold }, paths)
    assert.ok(Math.abs(temperature! - 3) < 0.25, String(temperature))
  })

  it('give a high one to a level that only disturbs', () => {
    const paths = tree(
      labelSet([
        ['a', 'x'],
        ['b', 'y'],
      ]),
    )
    const next = random(3)
    const rows = 1000
    const noise = Float32Array.from({ length: rows * 2 }, () => normal(next))
    const gold = Int32Array.from({ length: rows }, () => (next() < 0.5 ? 0 : 1))
    const leaf = Float32Array.from({ length: rows * 2 }, (_, at) =>
      (gold[at >> 1] === at % 2) === (at >> 1) % 5 > 0 ? 1 : -1,
    )
    const [first, second] = fitTemperatures({ rows, logits: [noise, leaf], gold }, paths)
    assert.ok(first! > 5 * second!, `${first} ${second}`)
  })
})

describe('the joint distribution', () => {
  it('is a softmax over existing paths of the levels’ logits', () => {
    const paths = tree(
      labelSet([
        ['a', 'x'],
        ['a', 'y'],
        ['b', 'z'],
      ]),
    )
    const data = { rows: 1, logits: [new Float32Array([1, 0]), new Float32Array([0, 2, 0])], gold: new Int32Array(1) }
    const out = new Float64Array(3)
    jointRow(data, 0, paths, [1, 2], out)
    const expected = [1, 2, 0].map(Math.exp)
    const total = expected.reduce((sum, one) => sum + one, 0)
    expected.forEach((value, path) => assert.ok(Math.abs(out[path]! - value / total) < 1e-9))
  })
})
