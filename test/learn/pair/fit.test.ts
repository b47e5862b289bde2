import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { FEATURES } from '../../../src/core/pair/features.ts'
import { SPARSE_BUCKETS } from '../../../src/core/pair/sparse.ts'
import { random } from '../../../src/core/random.ts'
import { BINS_MAX, applyBins, cutBins } from '../../../src/learn/pair/bins.ts'
import { boost, predictTrees, softmaxRows } from '../../../src/learn/pair/boost.ts'
import { pairGraph, quantised } from '../../../src/learn/pair/graph.ts'
import { fitLinear, scoreInto } from '../../../src/learn/pair/linear.ts'
import { learnVectors } from '../../../src/learn/pair/vectors.ts'
import { hash32 } from '../../../src/core/random.ts'

const SETTINGS = {
  leaves: 8,
  leafRows: 5,
  lambda: 1,
  rate: 0.3,
  roundsMax: 20,
  patience: 20,
  rowShare: 1,
  featureShare: 1,
  seed: 1,
}

function exclusiveOr(rows: number, width: number) {
  const next = random(3)
  const values = Float32Array.from({ length: rows * width }, () => next())
  const labels = Int32Array.from({ length: rows }, (_, row) =>
    values[row * width]! > 0.5 === values[row * width + 1]! > 0.5 ? 0 : 1,
  )
  const all = Int32Array.from({ length: rows }, (_, row) => row)
  const priors = new Float32Array(rows * 2)
  return { values, width, labels, weights: new Float32Array(rows).fill(1), priors, all }
}

describe('bins', () => {
  it('keep the order of values, and a value goes left of an edge exactly when its bin is not beyond it', () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 })
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (list) => {
        const values = Float32Array.from(list)
        const cut = cutBins(values, 1, Int32Array.from(values.keys()))
        const bins = applyBins(values, 1, cut)
        const edges = cut.edges[0]!
        for (const [row, bin] of bins.entries()) {
          assert.ok(bin < BINS_MAX)
          for (const [edge, limit] of edges.entries()) assert.equal(values[row]! <= limit, bin <= edge)
        }
      }),
    )
  })
})

describe('boosted trees', () => {
  it('learn what no single feature shows', async () => {
    const data = exclusiveOr(1000, 3)
    const { rounds, loss } = await boost(
      { ...data, train: data.all.subarray(0, 800), validation: data.all.subarray(800) },
      { ...SETTINGS, classes: 2 },
      () => {},
    )
    assert.ok(rounds.length > 0)
    assert.ok(loss < 0.2, String(loss))
  })

  it('are the same again for the same seed, and others for another', async () => {
    const data = exclusiveOr(300, 3)
    const grown = (seed: number) =>
      boost(
        { ...data, train: data.all, validation: new Int32Array() },
        { ...SETTINGS, roundsMax: 3, rowShare: 0.5, classes: 2, seed },
        () => {},
      )
    assert.deepEqual(await grown(1), await grown(1))
    assert.notDeepEqual((await grown(1)).rounds, (await grown(2)).rounds)
  })

  it('give in the ONNX graph what they give here, hashed weights and temperature included', async () => {
    const classes = 3
    const rows = 200
    const width = FEATURES.length + classes
    const next = random(5)
    const values = Float32Array.from({ length: rows * width }, () => next() * 4 - 2)
    const linear = new Float32Array(SPARSE_BUCKETS * classes)
    const ids = Int32Array.from({ length: rows * 2 }, () => Math.floor(next() * SPARSE_BUCKETS))
    for (const id of ids) for (let c = 0; c < classes; c++) linear[id * classes + c] = next() - 0.5
    const { bytes, scale } = quantised(linear)
    const rounded = Float32Array.from(bytes)
    const starts = Int32Array.from({ length: rows + 1 }, (_, row) => row * 2)
    for (let row = 0; row < rows; row++) {
      const scores = values.subarray(row * width + FEATURES.length, (row + 1) * width)
      scoreInto(scores, { starts, ids }, row, rounded, classes)
      for (let c = 0; c < classes; c++) scores[c]! *= scale
    }
    const labels = Int32Array.from({ length: rows }, (_, row) => (values[row * width + width - 1]! > 0 ? 2 : row % 2))
    const prior = new Float32Array([-1, -2, -0.5])
    const priors = Float32Array.from({ length: rows * classes }, (_, at) => prior[at % classes]!)
    const all = Int32Array.from({ length: rows }, (_, row) => row)
    const data = { values, width, labels, weights: new Float32Array(rows).fill(1), priors }
    const boosted = await boost(
      { ...data, train: all, validation: new Int32Array() },
      { ...SETTINGS, roundsMax: 5, classes },
      () => {},
    )
    const scores = new Float32Array(rows * classes)
    predictTrees(boosted, data, all, scores, classes)
    const expected = new Float32Array(rows * classes)
    softmaxRows(
      scores.map((score) => score / 1.3),
      expected,
      classes,
    )

    const graph = pairGraph({ linear, boosted, prior, outOfFold: scores }, 1.3)
    const compiled = await runtime.compile(runtime.serialise(graph), { threads: 1 })
    const dense = new Float32Array(rows * FEATURES.length)
    for (let row = 0; row < rows; row++)
      dense.set(values.subarray(row * width, row * width + FEATURES.length), row * FEATURES.length)
    const { probabilities } = await compiled.run({
      dense: { dtype: 'float32', dims: [rows, FEATURES.length], data: dense },
      ids: { dtype: 'int32', dims: [rows, 2], data: ids.map((id) => id + 1) },
    })
    await compiled.close()
    const got = probabilities!.data as Float32Array
    for (const [at, value] of expected.entries()) assert.ok(Math.abs(value - got[at]!) < 1e-5, `${at}`)
  })
})

describe('linear scores of hashed ids', () => {
  it('learn which id speaks for which class, beside dense features', () => {
    const rows = 400
    const labels = Int32Array.from({ length: rows }, (_, row) => row % 2)
    const ids = Int32Array.from(labels, (label) => 10 + label)
    const data = {
      dense: new Float32Array(rows),
      width: 1,
      starts: Int32Array.from({ length: rows + 1 }, (_, row) => row),
      ids,
      labels,
      weights: new Float32Array(rows).fill(1),
    }
    const settings = { classes: 2, buckets: 16, epochs: 5, rate: 0.1, denseRate: 0.1, decay: 0, seed: 1 }
    const weights = fitLinear(data, Int32Array.from(labels.keys()), settings)
    assert.ok(weights[20]! > weights[21]!)
    assert.ok(weights[22]! < weights[23]!)
    assert.equal(weights[0], 0)
  })
})

describe('word vectors', () => {
  it('are near for words that stand in the same company', async () => {
    const texts: string[][] = []
    for (let copy = 0; copy < 20; copy++)
      for (const tool of ['drill', 'saw']) texts.push(['cordless', tool, `18v`, `makita${copy % 3}`])
    for (let copy = 0; copy < 20; copy++) texts.push(['garden', 'hose', 'green', `flexi${copy % 3}`])
    const settings = { size: 4, textsMin: 2, wordsMax: 100, window: 5, iterations: 10, seed: 1 }
    const { rows, bytes, size } = await learnVectors(texts, settings, () => {})
    const cosine = (a: string, b: string) => {
      let dot = 0
      for (let d = 0; d < size; d++)
        dot += bytes[rows.get(hash32(a))! * size + d]! * bytes[rows.get(hash32(b))! * size + d]!
      return dot / 127 / 127
    }
    assert.ok(cosine('drill', 'saw') > 0.8)
    assert.ok(cosine('drill', 'hose') < 0.3)
  })
})
