import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { pairEncoder, pairFeeds } from '../../../src/core/pair/encode.ts'
import { random } from '../../../src/core/random.ts'
import { BINS_MAX, applyBins, cutBins } from '../../../src/learn/pair/bins.ts'
import { fitOffsets } from '../../../src/learn/pair/calibrate.ts'
import { boost, predictTrees, softmaxRows } from '../../../src/learn/pair/boost.ts'
import { type Offsets, fitOffsetsBySource, logFactors } from '../../../src/learn/pair/decisions.ts'
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
