import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { differentiate } from '../../../src/learn/autodiff/differentiate.ts'
import { observeShapes } from '../../../src/learn/autodiff/shapes.ts'
import { asInputs } from '../../../src/learn/transformer/classifier.ts'
import { tokenFeeds } from '../../../src/learn/transformer/batches.ts'
import { tinyBert } from '../../support/bert.ts'
import { GraphBuilder } from '../../../src/learn/graph-builder.ts'
import type { Tensor } from '../../../src/ports/graph.ts'

const row = (...values: number[]): Tensor => ({
  dtype: 'float32',
  dims: [values.length],
  data: Float32Array.from(values),
})

describe('differentiation of a graph', () => {
  it('gives, for a whole encoder, the slope of the loss along the gradient', async () => {
    const encoder = tinyBert()
    const graph = new GraphBuilder('encoder', 'loss/')
    graph.include(encoder)
    const cubed = graph.op('Pow', ['last_hidden_state', graph.scalar(3)])
    graph.output('loss', graph.op('ReduceMean', [cubed], { keepdims: 0 }), [])
    const names = Object.keys(encoder.initializers).filter((name) => encoder.initializers[name]!.data.length > 8)
    const spec = asInputs(graph.spec(), names)
    const tokens = tokenFeeds(
      [5, 3].map((length) => ({ ids: Int32Array.from({ length }, (_, at) => 3 * at + 1), second: 2 })),
    )
    const weights = Object.fromEntries(names.map((name) => [name, encoder.initializers[name]!]))
    const both = differentiate(spec, 'loss', names, await observeShapes(runtime, spec, { ...tokens, ...weights }))
    const compiled = await runtime.compile(runtime.serialise(both), { threads: 1 })
    const gradients = await compiled.run({ ...tokens, ...weights })
    const squares = names.flatMap((name) =>
      Array.from(gradients[`d(${name})`]!.data as Float32Array, (value) => value ** 2),
    )
    const lossAfter = async (step: number) => {
      const moved = names.map((name) => {
        const gradient = gradients[`d(${name})`]!.data as Float32Array
        const data = (weights[name]!.data as Float32Array).map((value, at) => value + step * gradient[at]!)
        return [name, { ...weights[name]!, data }] as const
      })
      return Number((await compiled.run({ ...tokens, ...Object.fromEntries(moved) }))['loss']!.data[0])
    }
    const length = Math.sqrt(squares.reduce((a, b) => a + b))
    const slope = ((await lossAfter(0.01 / length)) - (await lossAfter(-0.01 / length))) / 0.02
    assert.ok(length > 0.1 && Math.abs(slope / length - 1) < 0.01, `${slope}, ${length}`)
    await compiled.close()
  })

  it('adds up what flows back along several ways, and leaves the outputs as they were', async () => {
    const graph = new GraphBuilder('ways')
    const x = graph.input('x', ['n'])
    const squared = graph.op('Mul', [x, x])
    graph.output('loss', graph.op('ReduceSum', [graph.op('Add', [squared, x])], { keepdims: 0 }), [])
    const spec = graph.spec()
    const both = differentiate(spec, 'loss', ['x'], await observeShapes(runtime, spec, { x: row(1, 2) }))
    const compiled = await runtime.compile(runtime.serialise(both), { threads: 1 })
    const { loss, 'd(x)': gradient } = await compiled.run({ x: row(1, -3, 0.5) })
    assert.equal(loss!.data[0], 1 + 1 + 9 - 3 + 0.25 + 0.5)
    assert.deepEqual(gradient!.data, Float32Array.of(3, -5, 2))
    await compiled.close()
  })

  it('holds for other sizes than those of the run that showed the shapes', async () => {
    const graph = new GraphBuilder('sizes')
    const [x, w] = [graph.input('x', ['n', 2]), graph.input('w', [2])]
    graph.output('loss', graph.op('ReduceSum', [graph.op('Mul', [x, w])], { keepdims: 0 }), [])
    const spec = graph.spec()
    const matrix = (rows: number): Tensor => ({
      dtype: 'float32',
      dims: [rows, 2],
      data: Float32Array.from({ length: 2 * rows }, (_, at) => at),
    })
    const shapes = await observeShapes(runtime, spec, { x: matrix(3), w: row(1, 1) })
    const compiled = await runtime.compile(runtime.serialise(differentiate(spec, 'loss', ['w'], shapes)), {
      threads: 1,
    })
    for (const rows of [1, 5]) {
      const sums = [0, 1].map((column) => Array.from({ length: rows }, (_, at) => 2 * at + column))
      const { 'd(w)': gradient } = await compiled.run({ x: matrix(rows), w: row(1, 1) })
      assert.deepEqual(
        [...gradient!.data],
        sums.map((sum) => sum.reduce((a, b) => a + b)),
      )
    }
    await compiled.close()
  })

  it('walks no way on which the parameters do not lie, whatever its operators', async () => {
    const graph = new GraphBuilder('aside')
    const [x, w] = [graph.input('x', ['n']), graph.input('w', ['n'])]
    graph.output('loss', graph.op('ReduceSum', [graph.op('Mul', [graph.op('Cos', [x]), w])], { keepdims: 0 }), [])
    const spec = graph.spec()
    const shapes = await observeShapes(runtime, spec, { x: row(1, 2), w: row(1, 2) })
    assert.doesNotThrow(() => differentiate(spec, 'loss', ['w'], shapes))
    assert.throws(() => differentiate(spec, 'loss', ['x'], shapes), failed(/node "Cos_0": operator Cos cannot/))
  })

  it('says which parameter the loss does not depend on', async () => {
    const graph = new GraphBuilder('apart')
    const [x] = [graph.input('x', ['n']), graph.input('idle', ['n'])]
    graph.output('loss', graph.op('ReduceSum', [x], { keepdims: 0 }), [])
    const spec = graph.spec()
    const shapes = await observeShapes(runtime, spec, { x: row(1, 2), idle: row(1, 2) })
    assert.throws(() => differentiate(spec, 'loss', ['x', 'idle'], shapes), failed(/does not depend on "idle"/))
  })
})

function failed(says: RegExp) {
  return (error: unknown) => error instanceof SluiceError && error.code === 'SL503' && says.test(error.message)
}
