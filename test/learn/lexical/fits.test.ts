// Fits on threads: that they end by themselves, together, and what a curve of accuracies says of the passes to take.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { pathIndex, pathKey } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { rowFeatures } from '../../../src/learn/lexical/batches.ts'
import { fits } from '../../../src/learn/lexical/fits.ts'
import { bestEpoch } from '../../../src/learn/lexical/train.ts'
import { rightPaths } from '../../../src/learn/lexical/validate.ts'
import { SMALL, shopExamples } from '../../support/lexical.ts'
import type { FitInput, Fitted, Judged } from '../../../src/learn/lexical/fit.ts'
import type { FitsTools } from '../../../src/learn/lexical/fits.ts'

const data = await shopExamples(1600)
const paths = pathIndex(data.labels)
const tree = treeOf(data.labels)
const features = rowFeatures(data.examples, SMALL.features)
const subset = (from: number, to: number) => {
  const rows = Int32Array.from({ length: to - from }, (_, at) => from + at)
  return { rows, gold: rows.map((row) => paths.get(pathKey(data.examples[row]!.label))!) }
}
const input = (more: Partial<FitInput> = {}): FitInput => ({
  features,
  kept: subset(0, 150),
  held: subset(150, 200),
  judgedFrom: 1,
  tree,
  epochs: 6,
  seed: 1,
  settings: SMALL,
  ...more,
})
const tools: FitsTools = { runtime, signal: new AbortController().signal, atOnce: 2, onStep: () => {} }

describe('fits on threads', () => {
  it('come back in their order, however many run at once, the same as alone', async () => {
    const inputs = [1, 2, 3].map((seed) => input({ seed, epochs: 4 - seed }))
    const [together, oneByOne] = await Promise.all([fits(inputs, tools), fits(inputs, { ...tools, atOnce: 1 })])
    assert.equal(together!.length, 3)
    together!.forEach(({ weights, logits }, index) => {
      assert.deepEqual(weights, oneByOne![index]!.weights)
      assert.deepEqual(logits, oneByOne![index]!.logits)
    })
    assert.notDeepEqual(together![0]!.weights.table, together![1]!.weights.table)
  })

  it('tell after each epoch how many held rows are right, and at the end their logits', async () => {
    const told: (Judged | undefined)[] = []
    const onEpoch: FitsTools['onEpoch'] = (_, epoch, loss, judged) => {
      assert.ok(epoch === told.length + 1 && loss > 0)
      told.push(judged)
      return true
    }
    const [fitted] = (await fits([input()], { ...tools, onEpoch }))!
    assert.deepEqual(
      told.map((judged) => judged?.rows),
      [50, 50, 50, 50, 50, 50],
    )
    assert.deepEqual(told.at(-1)!.right, rightPaths(fitted!.logits, tree))
    assert.deepEqual(fitted!.logits.gold, subset(150, 200).gold)
  })

  it('judge a few of many held rows as long as that decides nothing', async () => {
    const told: (number | undefined)[] = []
    const onEpoch: FitsTools['onEpoch'] = (_, _epoch, _loss, judged) => told.push(judged?.rows) > 0
    const many = input({ kept: subset(0, 100), held: subset(100, 1600), judgedFrom: 3, epochs: 4 })
    const [fitted] = (await fits([many], { ...tools, onEpoch }))!
    assert.deepEqual(told, [500, 500, 1500, 1500])
    assert.equal(fitted!.logits.rows, 1500)
    told.length = 0
    await fits([{ ...many, judgedFrom: undefined }], { ...tools, onEpoch })
    assert.deepEqual(told, [undefined, undefined, undefined, undefined])
  })

  it('say once of each that it has ended, with what it ended with, in whatever order', async () => {
    const ended = new Map<number, Fitted>()
    const onEnd: FitsTools['onEnd'] = (index, one) => {
      assert.ok(!ended.has(index))
      ended.set(index, one)
    }
    const results = await fits([input({ epochs: 1 }), input({ epochs: 2 })], { ...tools, onEnd })
    assert.equal(ended.size, 2)
    results!.forEach((result, index) => assert.equal(ended.get(index), result))
  })

  it('say which has ended while others run, and stop where that says so', async () => {
    const ended: number[] = []
    const stop = new AbortController()
    const onEnd: FitsTools['onEnd'] = (index) => {
      ended.push(index)
      stop.abort(new Error('judged'))
    }
    const long = [input({ epochs: 100_000 }), input({ epochs: 1 })]
    await assert.rejects(fits(long, { ...tools, signal: stop.signal, onEnd }), /judged/)
    assert.deepEqual(ended, [1])
  })

  it('all stop when one is told to', async () => {
    const seen: number[] = []
    const onEpoch: FitsTools['onEpoch'] = (_, epoch) => seen.push(epoch) < 3
    const long = [input({ epochs: 100_000 }), input({ epochs: 100_000 })]
    assert.equal(await fits(long, { ...tools, onEpoch }), undefined)
  })

  it('all stop where one fails, and its error is the one that is thrown', async () => {
    const failing = input({ settings: { ...SMALL, learningRate: 1e38 } })
    await assert.rejects(
      fits([input({ epochs: 10_000 }), failing], tools),
      (error) => error instanceof SluiceError && error.code === 'SL503',
    )
  })

  it('stop where the signal says so, and throw its reason', async () => {
    const stop = new AbortController()
    const onStep = () => stop.abort(new Error('enough'))
    await assert.rejects(fits([input({ epochs: 10_000 })], { ...tools, signal: stop.signal, onStep }), /enough/)
  })

  it('say what a thread dies of', async () => {
    const broken = { ...runtime, module: 'data:text/javascript,throw new Error("no graphs here")' }
    await assert.rejects(fits([input()], { ...tools, runtime: broken }), /no graphs here/)
  })
})

describe('the passes that a curve of accuracies speaks for', () => {
  const cases: [string, readonly number[], number, number][] = [
    ['the last where it rises', [0.5, 0.7, 0.8, 0.85, 0.9], 400, 5],
    ['the last where an earlier one was better by less than a standard error', [0.5, 0.7, 0.9, 0.905, 0.9], 400, 5],
    ['an earlier one that was better by more', [0.5, 0.7, 0.85, 0.95, 0.9], 400, 4],
    ['the last on few rows, which say little', [0.5, 0.7, 0.85, 0.95, 0.9], 10, 5],
    ['never one of the first, whose rate is high', [0.5, 0.99, 0.85, 0.8, 0.8], 400, 3],
    ['the last so far of a curve that goes on', [0.5, 0.99], 400, 2],
  ]
  for (const [name, curve, rows, expected] of cases) it(name, () => assert.equal(bestEpoch(curve, 5, rows), expected))
})
