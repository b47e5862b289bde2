// Every operator's derivative against central differences of its forward pass, through the graph port.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { random } from '../../../src/core/random.ts'
import { DIFFERENTIABLE, differentiate } from '../../../src/learn/autodiff/differentiate.ts'
import { observeShapes } from '../../../src/learn/autodiff/shapes.ts'
import { GraphBuilder } from '../../../src/learn/graph-builder.ts'
import type { GraphNode, GraphSpec, Tensor } from '../../../src/ports/graph.ts'

interface Case {
  readonly op: string
  /** A list of sizes makes an input that is differentiated, a tensor one that is not. */
  readonly inputs: readonly (readonly number[] | Tensor)[]
  readonly attributes?: GraphNode['attributes']
  readonly floats?: readonly string[]
  readonly domain?: string
  readonly outputs?: number
  /** Range of the inputs; from −1 to 1 unless told. */
  readonly from?: number
  readonly says: string
}

const ints = (...values: number[]): Tensor => ({
  dtype: 'int64',
  dims: [values.length],
  data: BigInt64Array.from(values, BigInt),
})
const places = (dims: number[], ...values: number[]): Tensor => ({ ...ints(...values), dims })
const floats = (...values: number[]): Tensor => ({ dtype: 'float32', dims: [], data: Float32Array.from(values) })
const truth: Tensor = { dtype: 'bool', dims: [2, 1], data: Uint8Array.of(1, 0) }

const CASES: readonly Case[] = [
  ...['Identity', 'Neg', 'Exp', 'Tanh', 'Sigmoid', 'Relu', 'Erf'].map((op) => ({ op, inputs: [[2, 3]], says: 'each' })),
  ...['Sqrt', 'Log', 'Reciprocal'].map((op) => ({ op, inputs: [[2, 3]], from: 0.5, says: 'of positive numbers' })),
  { op: 'Gelu', domain: 'com.microsoft', inputs: [[2, 3]], says: 'each' },
  { op: 'Cast', inputs: [[2, 3]], attributes: { to: 1 }, says: 'to floats' },
  ...['Add', 'Sub', 'Mul', 'Div'].flatMap((op) => [
    {
      op,
      inputs: [
        [2, 3],
        [2, 3],
      ],
      from: 0.5,
      says: 'of the same shape',
    },
    { op, inputs: [[2, 3], [3]], from: 0.5, says: 'with a row spread over the rows' },
    {
      op,
      inputs: [
        [2, 1, 2],
        [3, 1],
      ],
      from: 0.5,
      says: 'with both sides spread',
    },
    { op, inputs: [[], [2, 3]], from: 0.5, says: 'with a number' },
  ]),
  { op: 'Sum', inputs: [[2, 3], [3], [2, 1]], says: 'of three' },
  { op: 'Pow', inputs: [[2, 3], floats(3)], says: 'cubes' },
  { op: 'Where', inputs: [truth, [2, 3], [3]], says: 'with both sides spread' },
  {
    op: 'MatMul',
    inputs: [
      [2, 3],
      [3, 4],
    ],
    says: 'of matrices',
  },
  {
    op: 'MatMul',
    inputs: [
      [2, 2, 3],
      [3, 4],
    ],
    says: 'of a batch with one weight',
  },
  {
    op: 'MatMul',
    inputs: [
      [2, 2, 3, 2],
      [2, 2, 2, 3],
    ],
    says: 'of two batches',
  },
  {
    op: 'MatMul',
    inputs: [
      [2, 1, 3, 2],
      [2, 2, 3],
    ],
    says: 'of batches spread over each other',
  },
  ...[0, 1].flatMap((transA) =>
    [0, 1].map((transB) => ({
      op: 'Gemm',
      inputs: [transA ? [3, 2] : [2, 3], transB ? [4, 3] : [3, 4], [4]],
      attributes: { transA, transB, alpha: 0.5, beta: 2 },
      floats: ['alpha', 'beta'],
      says: `with transA ${transA}, transB ${transB}`,
    })),
  ),
  { op: 'Reshape', inputs: [[2, 3], ints(3, -1)], says: 'to another rank' },
  { op: 'Flatten', inputs: [[2, 3, 2]], attributes: { axis: 1 }, says: 'to two axes' },
  { op: 'Squeeze', inputs: [[2, 1, 3], ints(1)], says: 'one axis' },
  { op: 'Unsqueeze', inputs: [[2, 3], ints(0, 2)], says: 'two axes' },
  { op: 'Transpose', inputs: [[2, 3, 2]], attributes: { perm: [2, 0, 1] }, says: 'with a cycle of axes' },
  { op: 'Transpose', inputs: [[2, 3]], says: 'of a matrix' },
  {
    op: 'Concat',
    inputs: [
      [2, 1],
      [2, 3],
      [2, 2],
    ],
    attributes: { axis: -1 },
    says: 'of three',
  },
  { op: 'Split', inputs: [[2, 5], ints(2, 3)], attributes: { axis: 1 }, outputs: 2, says: 'in two uneven pieces' },
  { op: 'Slice', inputs: [[3, 5], ints(4, 1), ints(0, 3), ints(1, 0), ints(-2, 1)], says: 'backwards, in steps' },
  { op: 'Gather', inputs: [[4, 2], places([2, 2], 1, 3, 1, -3)], says: 'of rows, some twice' },
  { op: 'Gather', inputs: [[2, 4], ints(2, 0, 2)], attributes: { axis: 1 }, says: 'of columns, some twice' },
  { op: 'GatherND', inputs: [[3, 2], places([3, 2], 0, 1, 2, 0, 0, 1)], says: 'of elements, some twice' },
  {
    op: 'GatherElements',
    inputs: [[2, 3], places([2, 2], 0, 2, 1, 1)],
    attributes: { axis: 1 },
    says: 'of elements, some twice',
  },
  { op: 'Expand', inputs: [[2, 1], ints(3, 2, 4)], says: 'to a batch' },
  { op: 'ReduceSum', inputs: [[2, 3, 2], ints(0, -1)], attributes: { keepdims: 0 }, says: 'over two axes' },
  { op: 'ReduceSum', inputs: [[2, 3]], says: 'over everything' },
  { op: 'ReduceMean', inputs: [[2, 3, 2]], attributes: { axes: [1], keepdims: 1 }, says: 'over an axis' },
  { op: 'ReduceMean', inputs: [[2, 3]], attributes: { keepdims: 0 }, says: 'over everything' },
  { op: 'Softmax', inputs: [[2, 3, 2]], attributes: { axis: 1 }, says: 'along an inner axis' },
  { op: 'Softmax', inputs: [[2, 4]], says: 'along the last axis' },
  { op: 'LogSoftmax', inputs: [[2, 4]], attributes: { axis: -1 }, says: 'along the last axis' },
  {
    op: 'LayerNormalization',
    inputs: [[2, 3, 4], [4], [4]],
    attributes: { axis: -1, epsilon: 1e-5 },
    says: 'of the last axis',
  },
  { op: 'LayerNormalization', inputs: [[2, 5], [5]], attributes: { epsilon: 1e-5 }, says: 'without a bias' },
]

const STEP = 1e-2
const TOLERANCE = 2e-3

/** The operator with a loss: each element of its outputs times a weight of its own, summed. */
function graphOf(
  { op, inputs, attributes, floats: given, domain, outputs = 1 }: Case,
  sizes: readonly number[][],
): GraphSpec {
  const builder = new GraphBuilder(op)
  const names = inputs.map((input, at) => {
    if (Array.isArray(input)) return builder.input(`x${at}`, input)
    return builder.tensor(`x${at}`, input as Tensor)
  })
  const results = Array.from({ length: outputs }, (_, at) => `y${at}`)
  const more = { ...(given ? { floats: given } : {}), ...(domain ? { domain } : {}) }
  builder.include({
    inputs: [],
    initializers: {},
    nodes: [{ op, inputs: names, outputs: results, attributes: attributes ?? {}, ...more }],
  })
  const next = random(5)
  const parts = results.map((result, at) => {
    const dims = sizes[at]!
    const weights = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => next() * 2 - 1)
    const weighted = builder.op('Mul', [result, builder.tensor(`w${at}`, { dtype: 'float32', dims, data: weights })])
    return builder.op('ReduceSum', [weighted], { keepdims: 0 })
  })
  builder.output('loss', builder.op('Sum', parts), [])
  return builder.spec()
}

async function outputSizes(one: Case, feeds: Record<string, Tensor>): Promise<number[][]> {
  const count = one.outputs ?? 1
  const free = graphOf(
    one,
    Array.from({ length: count }, () => []),
  )
  const shapes = await observeShapes(runtime, free, feeds)
  return Array.from({ length: count }, (_, at) => [...shapes.get(`y${at}`)!])
}

describe('the derivative of', () => {
  for (const one of CASES)
    it(`${one.op} ${one.says} is that of central differences`, async () => {
      const next = random(11)
      const from = one.from ?? -1
      const feeds: Record<string, Tensor> = {}
      one.inputs.forEach((dims, at) => {
        if (!Array.isArray(dims)) return
        const size = (dims as number[]).reduce((a, b) => a * b, 1)
        feeds[`x${at}`] = {
          dtype: 'float32',
          dims: dims as number[],
          data: Float32Array.from({ length: size }, () => from + next() * (1 - from)),
        }
      })
      const spec = graphOf(one, await outputSizes(one, feeds))
      const names = Object.keys(feeds)
      const both = differentiate(spec, 'loss', names, await observeShapes(runtime, spec, feeds))
      const compiled = await runtime.compile(runtime.serialise(both), { threads: 1 })
      const gradients = await compiled.run(feeds)
      const lossAt = async (name: string, element: number, change: number) => {
        const data = Float32Array.from(feeds[name]!.data as Float32Array)
        data[element]! += change
        const { loss } = await compiled.run({ ...feeds, [name]: { ...feeds[name]!, data } })
        return loss!.data[0] as number
      }
      for (const name of names) {
        const gradient = gradients[`d(${name})`]!
        assert.deepEqual(gradient.dims, feeds[name]!.dims)
        for (let element = 0; element < gradient.data.length; element++) {
          const slope = ((await lossAt(name, element, STEP)) - (await lossAt(name, element, -STEP))) / (2 * STEP)
          const got = gradient.data[element] as number
          assert.ok(
            Math.abs(got - slope) <= TOLERANCE * Math.max(1, Math.abs(slope)),
            `${name}[${element}]: ${got}, ${slope}`,
          )
        }
      }
      await compiled.close()
    })

  it('every supported operator is in this table', () => {
    assert.deepEqual([...new Set(CASES.map(({ op }) => op))].sort(), [...DIFFERENTIABLE].sort())
  })
})
