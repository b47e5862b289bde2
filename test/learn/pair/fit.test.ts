import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { pairEncoder, pairFeeds } from '../../../src/core/pair/encode.ts'
import { random } from '../../../src/core/random.ts'
import { BINS_MAX, applyBins, cutBins } from '../../../src/learn/pair/bins.ts'
import { boost, predictTrees, softmaxRows } from '../../../src/learn/pair/boost.ts'
import { type Offsets, logFactors } from '../../../src/learn/pair/decisions.ts'
import { DEFAULT_FIT, type Fitted, fit, judgements, mixed } from '../../../src/learn/pair/fit.ts'
import { pairGraph } from '../../../src/learn/pair/graph.ts'
import { fitLinear } from '../../../src/learn/pair/linear.ts'
import { type EncodedRows, encodeRows } from '../../../src/learn/pair/rows.ts'
import type { Scorer, ScorerSettings } from '../../../src/learn/pair/scorer.ts'
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
  always: 0,
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

  it('say SL503 where the loss is not finite', async () => {
    const data = exclusiveOr(100, 3)
    const split = { train: data.all.subarray(0, 80), validation: data.all.subarray(80) }
    const broken = { ...data, priors: data.priors.fill(NaN), ...split }
    await assert.rejects(
      boost(broken, { ...SETTINGS, classes: 2 }, () => {}),
      { code: 'SL503' },
    )
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

  it('are shown the last features in every round, however few of the others', async () => {
    const data = exclusiveOr(400, 40)
    const labels = Int32Array.from({ length: 400 }, (_, row) => (data.values[row * 40 + 39]! > 0.5 ? 1 : 0))
    const { rounds } = await boost(
      { ...data, labels, train: data.all, validation: new Int32Array() },
      { ...SETTINGS, featureShare: 0.02, always: 1, roundsMax: 4, classes: 2 },
      () => {},
    )
    for (const [tree] of rounds) assert.equal(tree!.feature[0], 39)
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

describe('a fitted pair model', () => {
  const DEALERS = { homely: 'DIY', posh: 'Maison' }
  /** Two sources with their own style and opposite verdicts on the same pairs. */
  const rows = ['drill', 'saw', 'hose', 'lamp', 'tent', 'rake', 'desk', 'sofa'].flatMap((thing, at, things) =>
    Object.values(DEALERS).flatMap((dealer, source) =>
      [0, 1, 2, 3, 4, 5].map((copy) => {
        const matches = copy % 2 === 0
        return {
          query: thing,
          title: `${matches ? thing : things[(at + copy) % 8]!} ${dealer}`,
          description: source === 0 ? '' : 'a description, here!',
          label: matches === (source === 0) ? 0 : 1,
          source,
          weight: 1,
        }
      }),
    ),
  )
  const few = (of: Omit<ScorerSettings, 'seed'>) => ({ ...of, trees: { ...of.trees, rate: 0.3, roundsMax: 8 } })
  const { relevance, source } = DEFAULT_FIT
  const settings = { relevance: few(relevance), source: few(source), classes: 2, seed: 3, sourceRows: 10 }

  const even = [
    [0, 0],
    [0, 0],
  ]

  async function answers(fitted: Fitted, encoded: EncodedRows, temperatures = [1, 1], offsets: Offsets = even) {
    const compiled = await runtime.compile(runtime.serialise(pairGraph(fitted, temperatures, offsets)), { threads: 1 })
    const texts = rows.map(({ query, title, description }) => [query, title, description])
    const { probabilities, factors } = await compiled.run(pairFeeds(pairEncoder(encoded)(texts)))
    await compiled.close()
    return { probabilities: probabilities!.data as Float32Array, factors: factors!.data as Float32Array }
  }

  it('judges a pair as the source would that writes so', async () => {
    const encoded = await encodeRows(rows, () => {})
    const { fitted } = await fit(encoded, settings, () => {})
    const { probabilities } = await answers(fitted, encoded)
    const right = rows.filter(({ label }, row) => probabilities[row * 2 + label]! > 0.5).length
    assert.ok(right > 0.95 * rows.length, `${right} of ${rows.length}`)
  })

  it('gives in the ONNX graph what it gives here, temperatures and offsets included', async () => {
    const encoded = await encodeRows(rows, () => {})
    const { fitted } = await fit(encoded, settings, () => {})
    // Without weights of words, which the graph rounds: with them a tree may turn the other way.
    const without = (scorer: Scorer): Scorer => ({ ...scorer, linear: scorer.linear.fill(0) })
    const bare: Fitted = { ...fitted, relevance: without(fitted.relevance), source: without(fitted.source) }
    const own = (scorer: Scorer, numbers: Float32Array, flags: readonly number[]) => {
      const count = scorer.prior.length
      const wide = numbers.length / rows.length
      const values = rows.map((_, row) => [...numbers.subarray(row * wide, (row + 1) * wide), 0, 0, ...flags]).flat()
      const out = new Float32Array(rows.length * count)
      const priors = Float32Array.from({ length: out.length }, (_, at) => scorer.prior[at % count]!)
      const data = { values: Float32Array.from(values), width: wide + 2 + flags.length, priors }
      predictTrees(scorer.boosted, data, Int32Array.from(rows.keys()), out, count)
      return out
    }
    const posterior = own(bare.source, encoded.style, [])
    softmaxRows(posterior.slice(), posterior, 2)
    const each = [
      [1, 0],
      [0, 1],
    ].map((flags) => own(bare.relevance, encoded.dense, flags))
    const scores = Float32Array.from({ length: rows.length * 4 }, (_, at) => {
      return each[(at >> 1) & 1]![(at >> 2) * 2 + (at & 1)]!
    })
    const said = judgements({ group: new Int32Array(rows.length), posterior, scores }, 2, [1.3, 0.8])
    const offsets = [
      [0, 1.5],
      [-0.7, 0],
    ]
    const got = await answers(bare, encoded, [1.3, 0.8], offsets)
    const logs = new Float32Array(rows.length * 2)
    for (const row of rows.keys()) logFactors(said, offsets, row, logs, row * 2)
    for (const [at, value] of mixed(said, 2).entries()) {
      assert.ok(Math.abs(value - got.probabilities[at]!) < 1e-5, `${at}`)
      assert.ok(Math.abs(Math.exp(logs[at]!) - got.factors[at]!) < 1e-5, `${at}`)
    }
  })

  it('counts the rows of a small file to the source that writes alike', async () => {
    const small = rows.map((row, at) => (row.source === 1 && at % 7 === 0 ? { ...row, source: 2 } : row))
    const { outOfFold } = await fit(await encodeRows(small, () => {}), { ...settings, sourceRows: 20 }, () => {})
    for (const [row, { source }] of small.entries()) assert.equal(outOfFold.group[row], source === 2 ? 1 : source)
    assert.equal(outOfFold.posterior.length, small.length * 2)
  })

  it('mixes the judgements of the sources by their posterior', () => {
    const scores = Float32Array.from([0.9, 0.1, 0.2, 0.8].map(Math.log))
    const posterior = Float32Array.from([0.25, 0.75])
    const [first, second] = mixed(judgements({ group: new Int32Array(1), posterior, scores }, 2, [1, 1]), 2)
    assert.ok(Math.abs(first! - 0.375) < 1e-6)
    assert.ok(Math.abs(second! - 0.625) < 1e-6)
  })
})
