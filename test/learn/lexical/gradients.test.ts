// The hand-written gradients against finite differences: the dense graph, the sparse half, the margins.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { normal, random } from '../../../src/core/random.ts'
import { ADAMW } from '../../../src/learn/adamw.ts'
import { embeddingArrays, embeddingBytes, embeddings } from '../../../src/learn/lexical/embeddings.ts'
import { headBytes, startHead } from '../../../src/learn/lexical/head-fit.ts'
import { headGradients, headLogits } from '../../../src/learn/lexical/head.ts'
import { LEXICAL } from '../../../src/learn/lexical/settings.ts'
import { marginColumns, margins } from '../../../src/learn/lexical/margins.ts'
import { arena, bytesOf, kernelMemory } from '../../../src/learn/simd.ts'
import type { Block } from '../../../src/learn/lexical/embeddings.ts'
import type { GraphSpec, Tensor } from '../../../src/ports/graph.ts'

const next = random(11)
const tensor = (...dims: number[]): Tensor & { data: Float32Array } => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => normal(next)),
})

describe('the head’s gradients', () => {
  const settings = { width: 5, classes: [3, 4], levelWeights: [0.5, 1], labelSmoothing: 0.1 }
  const feeds: Record<string, Tensor> = {
    h: tensor(2, 5),
    y0: { dtype: 'int32', dims: [2], data: new Int32Array([2, 0]) },
    y1: { dtype: 'int32', dims: [2], data: new Int32Array([1, 3]) },
    w0: tensor(5, 3),
    b0: tensor(3),
    w1: tensor(5, 4),
    b1: tensor(4),
  }

  it('are those of its own loss with respect to sums and parameters', async () => {
    const graph = await runtime.compile(runtime.serialise(headGradients(settings)), { threads: 1 })
    const outputs = await graph.run(feeds)
    const lossAt = async (name: string, at: number, change: number) => {
      const data = Float32Array.from(feeds[name]!.data as Float32Array)
      data[at]! += change
      const { loss } = await graph.run({ ...feeds, [name]: { ...feeds[name]!, data } })
      return Number(loss!.data[0])
    }
    for (const name of ['h', 'w0', 'b0', 'w1', 'b1']) {
      const gradient = outputs[`d${name}`]!.data as Float32Array
      assert.equal(gradient.length, feeds[name]!.data.length)
      for (let at = 0; at < gradient.length; at++) {
        const slope = ((await lossAt(name, at, 1e-2)) - (await lossAt(name, at, -1e-2))) / 2e-2
        assert.ok(Math.abs(slope - gradient[at]!) < 2e-3, `${name}[${at}]: ${slope} ${gradient[at]!}`)
      }
    }
    await graph.close()
  })

  it('have a loss that is the mean cross-entropy against labels smoothed over all classes, levels weighed', async () => {
    const said = async (graph: GraphSpec) => {
      const compiled = await runtime.compile(runtime.serialise(graph), { threads: 1 })
      const named = compiled.inputs.map((name) => [name, feeds[name]!] as const)
      return compiled.run(Object.fromEntries(named)).finally(() => compiled.close())
    }
    const logits = await said(headLogits(settings))
    let expected = 0
    settings.classes.forEach((count, level) => {
      const gold = feeds[`y${level}`]!.data
      for (let row = 0; row < gold.length; row++) {
        const z = (logits[`logits${level}`]!.data as Float32Array).subarray(row * count, (row + 1) * count)
        const all = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0))
        z.forEach((value, at) => {
          const label = 0.1 / count + (gold[row] === at ? 0.9 : 0)
          expected += (settings.levelWeights[level]! / gold.length) * label * (all - value)
        })
      }
    })
    const loss = Number((await said(headGradients(settings)))['loss']!.data[0])
    assert.ok(Math.abs(loss - expected) < 1e-5, `${loss} ${expected}`)
  })
})

describe('the head in a fit', () => {
  it('takes AdamW’s steps, as written out, and answers with the weights it has then', async () => {
    const size = { width: 5, classes: [3, 4] }
    const settings = { ...LEXICAL, ...size, adamw: { ...ADAMW, weightDecay: 0.1 } }
    const memory = kernelMemory(headBytes(size))
    const head = await startHead(memory, arena(memory), settings, random(5), runtime)
    const graph = await runtime.compile(
      runtime.serialise(
        headGradients({ ...size, levelWeights: [LEXICAL.levelDecay, 1], labelSmoothing: LEXICAL.labelSmoothing }),
      ),
      { threads: 1 },
    )
    const hidden = tensor(2, 5).data
    const gold = [new Int32Array([2, 0]), new Int32Array([1, 3])]
    const named = (): Record<string, Tensor & { readonly data: Float32Array }> =>
      Object.fromEntries(
        head.weights().flatMap(({ w, b }, level) => [
          [`w${level}`, { dtype: 'float32', dims: [5, size.classes[level]!], data: w } as const],
          [`b${level}`, { dtype: 'float32', dims: [size.classes[level]!], data: b } as const],
        ]),
      )
    const expected = named()
    const moments = Object.fromEntries(
      Object.entries(expected).map(([name, { data }]) => [name, [...data].map(() => [0, 0])]),
    )
    const rate = 0.01
    for (const step of [1, 2, 3]) {
      const said = await graph.run({
        ...expected,
        h: { dtype: 'float32', dims: [2, 5], data: hidden },
        y0: { dtype: 'int32', dims: [2], data: gold[0]! },
        y1: { dtype: 'int32', dims: [2], data: gold[1]! },
      })
      const { loss, dh } = await head.step(hidden, gold, rate, step)
      assert.ok(Math.abs(loss - Number(said['loss']!.data[0])) < 1e-6)
      assert.equal(dh.length, hidden.length)
      for (const [name, { data }] of Object.entries(expected))
        data.forEach((value, at) => {
          const g = Number(said[`d${name}`]!.data[at])
          const own = moments[name]![at]!
          own[0] = 0.9 * own[0]! + 0.1 * g
          own[1] = 0.999 * own[1]! + 0.001 * g * g
          const change = own[0] / (1 - 0.9 ** step) / (Math.sqrt(own[1] / (1 - 0.999 ** step)) + 1e-8)
          data[at] = value * (name.startsWith('w') ? 1 - rate * 0.1 : 1) - rate * change
        })
      for (const [name, { data }] of Object.entries(named()))
        data.forEach((value, at) => assert.ok(Math.abs(value - expected[name]!.data[at]!) < 1e-4, `${name}[${at}]`))
    }
    const logits = await runtime.compile(runtime.serialise(headLogits(size)), { threads: 1 })
    const outputs = await logits.run({ ...named(), h: { dtype: 'float32', dims: [2, 5], data: hidden } })
    assert.deepEqual(await head.logits(hidden, 2), [outputs['logits0']!.data, outputs['logits1']!.data])
    await Promise.all([head.close(), graph.close(), logits.close()])
  })
})

describe('the sparse half', () => {
  const columns = 16
  /** A table of four rows, two of them in the batch's first row and two in its second. */
  function made(table: (at: number) => number, blocks: readonly Block[] = [{ columns, keep: 0.999 }]) {
    const size = { buckets: 4, columns, blocks, features: 8 }
    const memory = kernelMemory(embeddingBytes(size) + bytesOf(3) + 2 * bytesOf(4) + bytesOf(2 * columns))
    const all = arena(memory)
    const arrays = embeddingArrays(all, size)
    arrays.table.forEach((_, at, values) => (values[at] = table(at)))
    const batch = { rows: 2, offsets: all.ints(3), ids: all.ints(4), weights: all.floats(4) }
    batch.offsets.set([0, 2, 4])
    batch.ids.set([1, 3, 3, 0])
    batch.weights.set([0.5, 2, 1, -1])
    const dense = all.floats(2 * columns)
    const own = embeddings(memory, arrays, size, { ...ADAMW, weightDecay: 0 })
    return { own, batch, dense, table: arrays.table }
  }

  it('sums weighted rows, each time anew', () => {
    const { own, batch, dense } = made((at) => at)
    const lines = [(k: number) => 0.5 * (columns + k) + 2 * (3 * columns + k), () => 3 * columns]
    const expected = lines.flatMap((line) => Array.from({ length: columns }, (_, k) => line(k)))
    for (let round = 0; round < 2; round++) {
      own.forward(batch, dense)
      assert.deepEqual([...dense], expected)
    }
  })

  it('moves only the rows of the batch, each against its summed gradient', () => {
    const { own, batch, dense, table } = made(() => 0)
    dense.forEach((_, at) => (dense[at] = at % 2 === 0 ? 1 : -1))
    // RMSProp's first steps along one gradient are the rate times its sign: row 1 .5·(1,−1,…), row 3 3·(…), row 0 −1·(…).
    const expected = [-1, 1, 0, 1]
    for (const round of [1, 2]) {
      own.backward(batch, dense, 0.1, round)
      table.forEach((value, at) => {
        const moved = expected[Math.floor(at / columns)]! * (at % 2 === 0 ? -0.1 : 0.1)
        assert.ok(Math.abs(value - round * moved) < 1e-6, `${at}: ${value}`)
      })
    }
  })

  it('does the same in long stretches of columns, in what is left of them, and for more rows than are fetched at once', () => {
    const next = random(8)
    const wide = 72
    const blocks = [40, 32].map((own, at) => ({ columns: own, keep: at === 0 ? 0.9 : 0.999 }))
    const [rows, buckets, each] = [9, 60, 14]
    const size = { buckets, columns: wide, blocks, features: rows * each }
    const memory = kernelMemory(
      embeddingBytes(size) + 2 * bytesOf(rows * (wide + each)) + bytesOf(rows + 1) + bytesOf(rows * each),
    )
    const all = arena(memory)
    const arrays = embeddingArrays(all, size)
    arrays.table.forEach((_, at, table) => (table[at] = normal(next)))
    const batch = { rows, offsets: all.ints(rows + 1), ids: all.ints(rows * each), weights: all.floats(rows * each) }
    batch.offsets.forEach((_, row, offsets) => (offsets[row] = row * each))
    batch.ids.forEach((_, j, ids) => (ids[j] = Math.floor(next() * buckets)))
    batch.weights.forEach((_, j, weights) => (weights[j] = normal(next)))
    assert.ok(new Set(batch.ids).size > 48)
    const dense = all.floats(rows * wide)
    const own = embeddings(memory, arrays, size, { ...ADAMW, weightDecay: 0 })
    const expected = Float64Array.from(arrays.table)
    const sums = new Float64Array(rows * wide)
    batch.ids.forEach((id, j) => {
      for (let k = 0; k < wide; k++)
        sums[Math.floor(j / each) * wide + k]! += batch.weights[j]! * expected[id * wide + k]!
    })
    own.forward(batch, dense)
    sums.forEach((sum, at) => assert.ok(Math.abs(sum - dense[at]!) < 1e-4, `sum ${at}`))
    const gradient = new Float64Array(expected.length)
    batch.ids.forEach((id, j) => {
      for (let k = 0; k < wide; k++)
        gradient[id * wide + k]! += batch.weights[j]! * dense[Math.floor(j / each) * wide + k]!
    })
    own.backward(batch, dense, 0.1, 1)
    // The first step is the rate times a gradient over the root of the mean square of its lane, in its block.
    for (const id of new Set(batch.ids))
      for (const [from, to] of [
        [0, 40],
        [40, 72],
      ] as const)
        for (let k = from; k < to; k++) {
          const lane = Array.from(
            { length: (to - from) / 4 },
            (_, at) => gradient[id * wide + from + 4 * at + (k % 4)]!,
          )
          const mean = lane.reduce((sum, one) => sum + one ** 2, 0) / lane.length
          expected[id * wide + k]! -= (0.1 * gradient[id * wide + k]!) / (Math.sqrt(mean) + 1e-8)
        }
    expected.forEach((value, at) => assert.ok(Math.abs(value - arrays.table[at]!) < 1e-4, `row ${at / wide}`))
    assert.throws(
      () => embeddings(memory, arrays, { ...size, blocks: [{ columns: 20, keep: 0.9 }] }, ADAMW),
      RangeError,
    )
  })

  it('takes steps by the mean square of four lanes, a block of columns each', () => {
    const next = random(3)
    const one = [{ columns, keep: 0.999 }]
    const two = [0.9, 0.99].map((keep) => ({ columns: 8, keep }))
    for (const blocks of [one, two]) {
      const { own, batch, dense, table } = made(() => 1, blocks)
      const squares = Array.from({ length: 4 }, () => blocks.map(() => [0, 0, 0, 0]))
      const expected = Float64Array.from(table)
      for (const step of [1, 2, 3]) {
        dense.forEach((_, at) => (dense[at] = normal(next) * (at % columns < 8 ? 1 : 100)))
        const gradient = new Float64Array(table.length)
        for (let row = 0; row < batch.rows; row++)
          for (let j = batch.offsets[row]!; j < batch.offsets[row + 1]!; j++)
            for (let k = 0; k < columns; k++)
              gradient[batch.ids[j]! * columns + k]! += batch.weights[j]! * dense[row * columns + k]!
        for (const id of [0, 1, 3]) {
          let from = 0
          blocks.forEach(({ columns: width, keep }, block) => {
            const own4 = squares[id]![block]!
            for (let lane = 0; lane < 4; lane++) {
              const places = Array.from({ length: width / 4 }, (_, k) => id * columns + from + 4 * k + lane)
              const mean = places.reduce((sum, at) => sum + gradient[at]! ** 2, 0) / places.length
              own4[lane] = keep * own4[lane]! + (1 - keep) * mean
              const scale = 0.1 / (Math.sqrt(own4[lane]! / (1 - keep ** step)) + 1e-8)
              for (const at of places) expected[at]! -= scale * gradient[at]!
            }
            from += width
          })
        }
        own.backward(batch, dense, 0.1, step)
        table.forEach((value, at) =>
          assert.ok(Math.abs(value - expected[at]!) < 1e-4, `${blocks.length} ${at}: ${value} ${expected[at]}`),
        )
      }
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
