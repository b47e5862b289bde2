// The hand-written gradients against finite differences: the dense graph, the sparse half, the margins.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { normal, random } from '../../../src/core/random.ts'
import { ADAMW, adamwFeeds } from '../../../src/learn/adamw.ts'
import { headStep } from '../../../src/learn/lexical/head.ts'
import { marginColumns, margins } from '../../../src/learn/lexical/margins.ts'
import { shard, shardArrays, shardBytes } from '../../../src/learn/lexical/shard.ts'
import { arena, sharedMemory } from '../../../src/learn/simd.ts'
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
  const columns = 8
  const size = { buckets: 4, columns, features: 8 }
  /** A shard of four rows, two of them in the batch's first row and two in its second. */
  function made(table: (at: number) => number) {
    const memory = sharedMemory(shardBytes(size) + 4096)
    const all = arena(memory)
    const arrays = shardArrays(all, size)
    arrays.table.forEach((_, at, values) => (values[at] = table(at)))
    const batch = { rows: 2, offsets: all.ints(3), ids: all.ints(4), weights: all.floats(4) }
    batch.offsets.set([0, 2, 4])
    batch.ids.set([1, 3, 3, 0])
    batch.weights.set([0.5, 2, 1, -1])
    const dense = all.floats(2 * (columns + 1))
    const own = shard(memory, arrays, columns, { ...ADAMW, weightDecay: 0 })
    return { own, batch, dense, table: arrays.table }
  }

  it('sums weighted rows, each time anew', () => {
    const { own, batch, dense } = made((at) => at)
    const lines = [(k: number) => 0.5 * (8 + k) + 2 * (24 + k), (k: number) => 24 + k - k]
    const expected = lines.flatMap((line) => [0, ...Array.from({ length: columns }, (_, k) => line(k))])
    for (let round = 0; round < 2; round++) {
      own.forward(batch, dense, columns + 1, 1)
      assert.deepEqual([...dense], expected)
    }
  })

  it('moves only the rows of the batch, each against its summed gradient', () => {
    const { own, batch, dense, table } = made(() => 0)
    dense.forEach((_, at) => (dense[at] = at % 2 === 0 ? 1 : -1))
    // AdamW's first step is the rate times the sign of the gradient: row 1 .5·(1,−1,…), row 3 3·(…), row 0 −1·(…).
    const expected = [-1, 1, 0, 1]
    for (const round of [1, 2]) {
      own.backward(batch, dense, columns, 0, 0.1, round)
      table.forEach((value, at) => {
        const moved = expected[Math.floor(at / columns)]! * (at % 2 === 0 ? -0.1 : 0.1)
        assert.ok(Math.abs(value - round * moved) < 1e-6, `${at}: ${value}`)
      })
    }
  })
})

describe('the margins', () => {
  const set = labelSet([
    ['a', 'x'],
    ['a', 'y'],
    ['b', 'z'],
  ])
  const tree = treeOf(set)
  const width = 1 + marginColumns(tree)
  const gold = new Int32Array([2, 0])
  const lossOf = (sums: Float32Array) => {
    const gradient = new Float32Array(sums.length)
    const loss = margins(tree, ADAMW).step({ sums, gradient, width, at: 1, gold, rate: 0.1, step: 1 })
    return { loss, gradient }
  }

  it('give the gradient of their own loss, and leave the network’s columns alone', () => {
    const sums = tensor(2, width).data
    const { gradient } = lossOf(sums)
    gradient.forEach((slope, at) => {
      const lossAt = (change: number) => lossOf(sums.map((sum, other) => (other === at ? sum + change : sum))).loss
      const seen = (lossAt(1e-2) - lossAt(-1e-2)) / 2e-2
      assert.ok(Math.abs(seen - slope) < 2e-2, `${at}: ${seen} ${slope}`)
      if (at % width === 0) assert.equal(slope, 0)
    })
  })

  it('stop at rows that are right by one', () => {
    const sums = new Float32Array(2 * width)
    gold.forEach((path, row) => {
      let from = row * width + 1
      tree.nodes.forEach((nodes, level) => {
        for (let node = 0; node < nodes; node++) sums[from + node] = tree.nodeOf[level]![path] === node ? 1 : -1
        from += nodes
      })
    })
    const { loss, gradient } = lossOf(sums)
    assert.equal(loss, 0)
    assert.ok(gradient.every((slope) => slope === 0))
  })
})
