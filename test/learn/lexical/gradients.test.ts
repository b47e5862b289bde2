// The hand-written gradients against finite differences: the dense graph and the sparse half.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { normal, random } from '../../../src/core/random.ts'
import { ADAMW, adamwFeeds } from '../../../src/learn/adamw.ts'
import { headStep } from '../../../src/learn/lexical/head.ts'
import { forward, shard } from '../../../src/learn/lexical/shard.ts'
import type { Tensor } from '../../../src/ports/graph.ts'

const next = random(11)
const tensor = (...dims: number[]): Tensor & { data: Float32Array } => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => normal(next)),
})

describe('the head’s training step', () => {
  const settings = { width: 5, classes: [3, 4], levelWeights: [0.5, 1], labelSmoothing: 0.1, adamw: ADAMW }
  const feeds: Record<string, Tensor> = {
    h: tensor(2, 5),
    y0: { dtype: 'int32', dims: [2], data: new Int32Array([2, 0]) },
    y1: { dtype: 'int32', dims: [2], data: new Int32Array([1, 3]) },
    ...adamwFeeds(1, 0, ADAMW),
  }
  settings.classes.forEach((classes, level) => {
    for (const kind of ['', '.m', '.v']) {
      feeds[`w${level}${kind}`] =
        kind === '' ? tensor(5, classes) : { ...tensor(5, classes), data: new Float32Array(5 * classes) }
      feeds[`b${level}${kind}`] =
        kind === '' ? tensor(classes) : { ...tensor(classes), data: new Float32Array(classes) }
    }
  })

  it('gives the gradient of its own loss with respect to sums and parameters', async () => {
    const step = await runtime.compile(runtime.serialise(headStep(settings)), { threads: 1 })
    const outputs = await step.run(feeds)
    const lossAt = async (name: string, at: number, change: number) => {
      const data = Float32Array.from(feeds[name]!.data as Float32Array)
      data[at]! += change
      const { loss } = await step.run({ ...feeds, [name]: { ...feeds[name]!, data } })
      return Number(loss!.data[0])
    }
    // After one step from nothing the first moment is (1 − β1) times the gradient.
    const gradients: [string, Float32Array, number][] = [
      ['h', outputs['dh']!.data as Float32Array, 1],
      ...['w0', 'b0', 'w1', 'b1'].map((name): [string, Float32Array, number] => [
        name,
        outputs[`${name}.m'`]!.data as Float32Array,
        1 - ADAMW.beta1,
      ]),
    ]
    for (const [name, gradient, scale] of gradients)
      for (let at = 0; at < gradient.length; at++) {
        const slope = ((await lossAt(name, at, 1e-2)) - (await lossAt(name, at, -1e-2))) / 2e-2
        assert.ok(Math.abs(slope - gradient[at]! / scale) < 2e-3, `${name}[${at}]: ${slope} ${gradient[at]! / scale}`)
      }
    await step.close()
  })
})

describe('the sparse half', () => {
  const batch = {
    rows: 2,
    offsets: new Int32Array([0, 2, 4]),
    ids: new Int32Array([1, 3, 3, 0]),
    weights: new Float32Array([0.5, 2, 1, -1]),
  }

  it('sums weighted rows', () => {
    const table = Float32Array.from({ length: 8 }, (_, at) => at)
    const out = new Float32Array(6)
    forward(table, 2, batch, out, 3, 1)
    assert.deepEqual([...out], [0, 0.5 * 2 + 2 * 6, 0.5 * 3 + 2 * 7, 0, 6 - 0, 7 - 1])
  })

  it('moves only the rows of the batch, each against its summed gradient', () => {
    const table = new Float32Array(8)
    const own = shard(table, 2, 2, { ...ADAMW, weightDecay: 0 })
    own.backward(batch, new Float32Array([1, -1, 1, -1]), 2, 0, 0.1, 1)
    // AdamW's first step is the rate times the sign of the gradient: row 1 .5·(1,−1), row 3 3·(1,−1), row 0 −1·(1,−1).
    const expected = [0.1, -0.1, -0.1, 0.1, 0, 0, -0.1, 0.1]
    expected.forEach((value, at) => assert.ok(Math.abs(table[at]! - value) < 1e-6, `${at}: ${table[at]}`))
  })
})
