// The BERT encoder of multilingual-e5-small as a graph over 4-bit weights (com.microsoft MatMulNBits and
// GatherBlockQuantized, blocks of 32). Post-norm, erf GELU, positions from 0: Devlin et al. 2019, as e5.c computes it.
import type { GraphNode, GraphSpec, Tensor } from '../../ports/graph.ts'

export interface E5Shape {
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly inner: number
  readonly vocabulary: number
  readonly positions: number
  readonly types: number
  readonly epsilon: number
}

const BLOCK = 32
const BITS = 4
/** Activations are rounded to eight bits inside the product, block by block, as in e5.c. */
const ACCURACY_INT8 = 4
const MICROSOFT = { domain: 'com.microsoft' }

/** Inputs: input_ids, attention_mask [B, S] int64. Output: last_hidden_state [B, S, hidden]. */
export function e5Graph(shape: E5Shape, tensors: ReadonlyMap<string, Tensor['data']>): GraphSpec {
  const { hidden, heads, inner, vocabulary, positions, types, epsilon } = shape
  const size = hidden / heads
  const initializers: Record<string, Tensor> = {}
  const nodes: GraphNode[] = []

  const op = (name: string, inputs: string[], attributes: GraphNode['attributes'] = {}, more: object = {}): string => {
    const output = `${name}_${nodes.length}`
    nodes.push({ op: name, inputs, outputs: [output], attributes, ...more })
    return output
  }
  const tensor = (name: string, dtype: Tensor['dtype'], dims: readonly number[]): string => {
    const data = tensors.get(name)
    if (data === undefined || data.length !== dims.reduce((product, dim) => product * dim, 1))
      throw new Error(`${name} is missing or of another size`)
    initializers[name] = { dtype, dims, data }
    return name
  }
  const ints = (...values: readonly number[]): string => {
    const name = `ints(${values.join()})`
    initializers[name] = { dtype: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) }
    return name
  }
  const scalar = (value: number): string => {
    const name = `scalar(${value})`
    initializers[name] = { dtype: 'float32', dims: [], data: new Float32Array([value]) }
    return name
  }
  const linear = (x: string, name: string, from: number, to: number): string => {
    const packed = tensor(`${name}.w.q`, 'uint8', [to, from / BLOCK, BLOCK / 2])
    const scales = tensor(`${name}.w.s`, 'float32', [(to * from) / BLOCK])
    const attributes = { K: from, N: to, bits: BITS, block_size: BLOCK, accuracy_level: ACCURACY_INT8 }
    return op('Add', [
      op('MatMulNBits', [x, packed, scales], attributes, MICROSOFT),
      tensor(`${name}.b`, 'float32', [to]),
    ])
  }
  const norm = (x: string, name: string): string => {
    const weights = [tensor(`${name}.w`, 'float32', [hidden]), tensor(`${name}.b`, 'float32', [hidden])]
    return op('LayerNormalization', [x, ...weights], { axis: -1, epsilon }, { floats: ['epsilon'] })
  }
  /** [B, S, hidden] → [B, heads, S, size], or [B, heads, size, S]. */
  const split = (x: string, perm: number[]) => op('Transpose', [op('Reshape', [x, ints(0, 0, heads, size)])], { perm })

  const words = tensor('emb.word.q', 'uint8', [vocabulary, hidden / 2])
  const scales = tensor('emb.word.s', 'float32', [vocabulary, hidden / BLOCK])
  const gather = { bits: BITS, block_size: BLOCK, gather_axis: 0, quantize_axis: 1 }
  const word = op('GatherBlockQuantized', [words, 'input_ids', scales], gather, MICROSOFT)
  const length = op('Slice', [op('Shape', ['input_ids']), ints(1), ints(2)])
  const position = op('Slice', [tensor('emb.pos', 'float32', [positions, hidden]), ints(0), length, ints(0)])
  const type = op('Slice', [tensor('emb.type', 'float32', [types, hidden]), ints(0), ints(1), ints(0)])
  let x = norm(op('Add', [op('Add', [word, position]), type]), 'emb.ln')
  const absent = op('Sub', [scalar(1), op('Cast', [op('Unsqueeze', ['attention_mask', ints(1, 2)])], { to: 1 })])
  const mask = op('Mul', [absent, scalar(-1e9)])

  for (let layer = 0; layer < shape.layers; layer++) {
    const at = (name: string) => `l${layer}.${name}`
    const query = split(linear(x, at('q'), hidden, hidden), [0, 2, 1, 3])
    const key = split(linear(x, at('k'), hidden, hidden), [0, 2, 3, 1])
    const value = split(linear(x, at('v'), hidden, hidden), [0, 2, 1, 3])
    const scores = op('Mul', [op('MatMul', [query, key]), scalar(1 / Math.sqrt(size))])
    const attention = op('Softmax', [op('Add', [scores, mask])], { axis: -1 })
    const mixed = op('Transpose', [op('MatMul', [attention, value])], { perm: [0, 2, 1, 3] })
    const context = op('Reshape', [mixed, ints(0, 0, hidden)])
    x = norm(op('Add', [x, linear(context, at('ao'), hidden, hidden)]), at('aln'))
    const wide = op('Gelu', [linear(x, at('fi'), hidden, inner)], {}, MICROSOFT)
    x = norm(op('Add', [x, linear(wide, at('fo'), inner, hidden)]), at('oln'))
  }
  nodes.push({ op: 'Identity', inputs: [x], outputs: ['last_hidden_state'] })
  return {
    name: 'multilingual-e5-small',
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, dtype: 'int64', dims: ['B', 'S'] })),
    outputs: [{ name: 'last_hidden_state', dtype: 'float32', dims: ['B', 'S', hidden] }],
    initializers,
    nodes,
  }
}
