import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../src/adapters/onnx/runtime.ts'
import type { GraphSpec } from '../../src/ports/graph.ts'

const doubled: GraphSpec = {
  name: 'doubled',
  inputs: [{ name: 'x', dtype: 'float32', dims: ['n', 2] }],
  outputs: [
    { name: 'y', dtype: 'float32', dims: ['n', 2] },
    { name: 'best', dtype: 'int64', dims: ['n'] },
  ],
  initializers: { two: { dtype: 'float32', dims: [], data: new Float32Array([2]) } },
  nodes: [
    { op: 'Mul', inputs: ['x', 'two'], outputs: ['y'] },
    { op: 'ArgMax', inputs: ['y'], outputs: ['best'], attributes: { axis: 1, keepdims: 0 } },
  ],
}

describe('the graph port on onnxruntime-node', () => {
  it('compiles a described graph and runs it on any batch size', async () => {
    const compiled = await runtime.compile(runtime.serialise(doubled), { threads: 1 })
    for (const rows of [1, 3]) {
      const data = Float32Array.from({ length: rows * 2 }, (_, index) => index)
      const { y, best } = await compiled.run({ x: { dtype: 'float32', dims: [rows, 2], data } })
      assert.deepEqual(y, { dtype: 'float32', dims: [rows, 2], data: data.map((value) => value * 2) })
      assert.deepEqual(best?.data, new BigInt64Array(rows).fill(1n))
    }
    await compiled.close()
  })

  it('writes the same bytes for the same description', () => {
    assert.deepEqual(runtime.serialise(doubled), runtime.serialise(doubled))
  })

  it('rejects bytes that are no model', async () => {
    await assert.rejects(runtime.compile(new Uint8Array([1, 2, 3]), { threads: 1 }))
  })
})
