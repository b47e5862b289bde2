import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import onnxProto from 'onnx-proto'
import { read } from '../../src/adapters/onnx/read.ts'
import { serialise } from '../../src/adapters/onnx/serialise.ts'
import { SluiceError } from '../../src/core/error.ts'
import type { GraphSpec } from '../../src/ports/graph.ts'

const { ModelProto } = onnxProto.onnx

const spec: GraphSpec = {
  name: 'all kinds',
  inputs: [{ name: 'ids', dtype: 'int64', dims: ['batch', 4] }],
  outputs: [{ name: 'y', dtype: 'float32', dims: ['batch'] }],
  initializers: {
    weights: { dtype: 'float32', dims: [2], data: Float32Array.of(0.5, -1) },
    bytes: { dtype: 'int8', dims: [3], data: Int8Array.of(-1, 0, 1) },
    axes: { dtype: 'int64', dims: [1], data: BigInt64Array.of(-1n) },
  },
  nodes: [
    {
      op: 'Op',
      inputs: ['ids', '', 'axes'],
      outputs: ['h', 'aside'],
      attributes: { axis: -1, mode: 'linear', list: [1, 2] },
    },
    {
      op: 'Other',
      domain: 'com.microsoft',
      inputs: ['h'],
      outputs: ['y'],
      attributes: { alpha: 1, names: ['a', 'b'], value: { dtype: 'bool', dims: [1], data: Uint8Array.of(1) } },
      floats: ['alpha'],
    },
  ],
}

describe('an ONNX file that is read', () => {
  it('is the graph that was written', () => assert.deepEqual(read(serialise(spec)), spec))

  const changes: Record<string, { change: (model: InstanceType<typeof ModelProto>) => void; says: RegExp }> = {
    'of an old opset': { change: (model) => (model.opsetImport[0]!.version = 11), says: /opset 11/ },
    'with data in another file': {
      change: (model) => (model.graph!.initializer![0]!.dataLocation = 1),
      says: /"weights" refers to data outside/,
    },
    'with elements of another kind': {
      change: (model) => (model.graph!.initializer![0]!.dataType = 10),
      says: /"weights" holds elements of ONNX type 10/,
    },
    'with a graph in an attribute': {
      change: (model) => (model.graph!.node![0]!.attribute![0]!.type = 5),
      says: /Op Op_0: attribute "axis"/,
    },
    'without a graph': { change: (model) => (model.graph = null), says: /no graph/ },
  }
  for (const [how, { change, says }] of Object.entries(changes))
    it(`${how} is refused by name`, () => {
      const model = ModelProto.decode(serialise(spec))
      change(model)
      assert.throws(
        () => read(ModelProto.encode(model).finish()),
        (error) => error instanceof SluiceError && error.code === 'SL501' && says.test(error.message),
      )
    })

  it('that is none is refused', () => {
    assert.throws(() => read(Uint8Array.of(1, 2, 3)), SluiceError)
  })
})
