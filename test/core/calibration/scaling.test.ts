// Scaling of joint distributions: temperatures and vectors find what was done to probabilities, and undo it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  logMarginals,
  powerScaling,
  scaledRow,
  temperatureScaling,
  vectorScaling,
} from '../../../src/core/calibration/scaling.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { normal, random } from '../../../src/core/random.ts'
import type { JointRows, Scaling } from '../../../src/core/calibration/scaling.ts'

const TREE = treeOf(
  labelSet([
    ['a', 'x'],
    ['a', 'y'],
    ['b', 'x'],
    ['b', 'z'],
    ['b', 'w'],
  ]),
)

/** Rows whose gold follows their own distribution, and then the distribution after `change`. */
function world(rows: number, seed: number, change: (joint: Float64Array) => Float64Array): JointRows {
  const next = random(seed)
  const joint = new Float32Array(rows * TREE.paths)
  const gold = new Int32Array(rows)
  for (let row = 0; row < rows; row++) {
    const weights = Float64Array.from({ length: TREE.paths }, () => Math.exp(1.5 * normal(next)))
    const total = weights.reduce((sum, one) => sum + one, 0)
    const truth = weights.map((one) => one / total)
    let pick = next()
    gold[row] = Math.max(
      0,
      truth.findIndex((one) => (pick -= one) < 0),
    )
    const changed = change(truth)
    const sum = changed.reduce((a, b) => a + b, 0)
    joint.set(
      changed.map((one) => one / sum),
      row * TREE.paths,
    )
  }
  return { rows, joint, gold }
}

function lossOf(data: JointRows, scaling: Scaling): number {
  const logs = logMarginals(data, TREE)
  const out = new Float64Array(TREE.paths)
  let loss = 0
  for (let row = 0; row < data.rows; row++) {
    scaledRow(logs, row, TREE, scaling, out)
    loss -= Math.log(out[data.gold[row]!]!)
  }
  return loss / data.rows
}

describe('scaling', () => {
  test('by the power one changes nothing, whatever the tree', () => {
    const data = world(20, 1, (truth) => truth)
    const out = new Float64Array(TREE.paths)
    for (let row = 0; row < data.rows; row++) {
      scaledRow(logMarginals(data, TREE), row, TREE, powerScaling(TREE, 1), out)
      out.forEach((value, path) => assert.ok(Math.abs(value - data.joint[row * TREE.paths + path]!) < 1e-6))
    }
  })

  test('to a power keeps the order of paths and moves the most probable one up', () => {
    const data = world(50, 2, (truth) => truth)
    const out = new Float64Array(TREE.paths)
    for (let row = 0; row < data.rows; row++) {
      scaledRow(logMarginals(data, TREE), row, TREE, powerScaling(TREE, 2), out)
      const given = data.joint.subarray(row * TREE.paths, (row + 1) * TREE.paths)
      const order = (values: ArrayLike<number>) =>
        Array.from({ length: TREE.paths }, (_, path) => path).sort((a, b) => values[b]! - values[a]!)
      assert.deepEqual(order(out), order(given))
      assert.ok(Math.max(...out) >= Math.max(...given) - 1e-6)
    }
  })

  test('by temperatures undoes an overconfidence of known size', () => {
    const data = world(3000, 3, (truth) => truth.map((one) => one ** 2))
    const { temperatures, scaling } = temperatureScaling(data, TREE)
    temperatures.forEach((own) => assert.ok(Math.abs(own - 2) < 0.25, temperatures.join()))
    assert.ok(lossOf(data, scaling) < lossOf(data, powerScaling(TREE, 1)) - 0.02)
  })

  test('by a vector undoes a class that is said too often, which temperatures cannot', () => {
    const tilt = (truth: Float64Array) => truth.map((one, path) => (path === 3 ? 4 * one : one))
    const data = world(3000, 4, tilt)
    const fresh = world(3000, 5, tilt)
    const vector = vectorScaling(data, TREE)
    assert.ok(lossOf(fresh, vector) < lossOf(fresh, temperatureScaling(data, TREE).scaling) - 0.02)
  })

  test('by a vector stays near temperatures where rows are few', () => {
    const data = world(40, 6, (truth) => truth)
    const fresh = world(3000, 7, (truth) => truth)
    assert.ok(lossOf(fresh, vectorScaling(data, TREE)) < lossOf(fresh, powerScaling(TREE, 1)) + 0.1)
  })

  test('leaves rows of unknown gold out of the fit', () => {
    const data = world(300, 8, (truth) => truth)
    const some = { ...data, gold: data.gold.map((gold, row) => (row < 150 ? gold : -1)) }
    const half = {
      rows: 150,
      joint: data.joint.subarray(0, 150 * TREE.paths),
      gold: data.gold.subarray(0, 150),
    }
    assert.deepEqual(temperatureScaling(some, TREE), temperatureScaling(half, TREE))
  })
})
