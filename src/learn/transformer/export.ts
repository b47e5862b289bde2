// What leaves training: one graph from tokens to probabilities, with weights of one byte. Products are quantised as they
// run (each batch's inputs by their range), tables row by row: a file a quarter the size, and products that cost less.
import { GraphBuilder } from '../graph-builder.ts'
import { answering, classifierOf } from './classifier.ts'
import { merged } from './lora.ts'
import type { GraphNode, GraphSpec, Tensor } from '../../ports/graph.ts'
import type { Classifier } from './classifier.ts'

/** `probabilities` [rows × classes] of a fitted classifier, its adapters added to the weights they stood beside. */
export function exported(
  encoder: GraphSpec,
  { classifier, weights }: { readonly classifier: Classifier; readonly weights: Readonly<Record<string, Tensor>> },
  { classes, temperature }: { readonly classes: number; readonly temperature: number },
): GraphSpec {
  const plain = classifier.adapted
    ? classifierOf(merged(encoder, weights), { classes, rank: 0, next: () => 0 }).spec
    : classifier.spec
  const kept = Object.entries(weights).filter(([name]) => Object.hasOwn(plain.initializers, name))
  const spec = answering({ ...plain, initializers: { ...plain.initializers, ...Object.fromEntries(kept) } })
  const graph = new GraphBuilder('transformer', 'answer/')
  graph.include(spec)
  const scaled = graph.op('Div', ['logits', graph.scalar(temperature)])
  graph.output('probabilities', graph.op('Softmax', [scaled], { axis: -1 }), ['batch', classes])
  return graph.spec()
}

/** Weights with fewer elements stay floats. */
const SIZE_MIN = 256

/** The same graph with large weights of products and tables as bytes; see `DynamicQuantizeMatMul` of com.microsoft. */
export function quantised(spec: GraphSpec): GraphSpec {
  const graph = new GraphBuilder(spec.name, 'bytes/')
  const large = (name: string | undefined): Tensor | undefined => {
    const tensor = spec.initializers[name ?? '']
    return tensor?.dtype === 'float32' && tensor.dims.length === 2 && tensor.data.length >= SIZE_MIN
      ? tensor
      : undefined
  }
  const add = (node: GraphNode) => graph.include({ inputs: [], initializers: {}, nodes: [node] })
  const bytes = (name: string, tensor: Tensor, axis: 0 | 1) => {
    const { values, scales } = toBytes(tensor, axis)
    const dims = axis === 0 ? [scales.length, 1] : [scales.length]
    return {
      values: graph.tensor(`${name}.bytes`, { dtype: 'int8', dims: tensor.dims, data: values }),
      scales: graph.tensor(`${name}.scales`, { dtype: 'float32', dims, data: scales }),
    }
  }
  graph.include({ ...spec, initializers: {}, nodes: [] })
  for (const node of spec.nodes) {
    const { op, inputs, outputs, attributes } = node
    const [first, second] = inputs as [string, string]
    const weight = op === 'MatMul' ? large(second) : undefined
    const table = op === 'Gather' && (attributes?.['axis'] ?? 0) === 0 ? large(first) : undefined
    if (weight) {
      const { values, scales } = bytes(second, weight, 1)
      add({ op: 'DynamicQuantizeMatMul', domain: 'com.microsoft', inputs: [first, values, scales], outputs })
    } else if (table) {
      const { values, scales } = bytes(first, table, 0)
      const rows = graph.op('Cast', [graph.op('Gather', [values, second])], { to: 1 })
      add({ op: 'Mul', inputs: [rows, graph.op('Gather', [scales, second])], outputs })
    } else {
      add(node)
      for (const input of inputs) if (spec.initializers[input]) graph.tensor(input, spec.initializers[input])
    }
  }
  return { ...graph.spec(), outputs: spec.outputs }
}

/** Symmetric: a scale a row (axis 0) or a column (axis 1), the largest element becomes 127. */
function toBytes({ dims, data }: Tensor, axis: 0 | 1): { readonly values: Int8Array; readonly scales: Float32Array } {
  const [rows, columns] = dims as [number, number]
  const scales = new Float32Array(axis === 0 ? rows : columns)
  const floats = data as Float32Array
  const line = (at: number) => (axis === 0 ? Math.floor(at / columns) : at % columns)
  for (let at = 0; at < floats.length; at++) scales[line(at)] = Math.max(scales[line(at)]!, Math.abs(floats[at]!) / 127)
  const values = Int8Array.from(floats, (value, at) => Math.round(value / (scales[line(at)]! || 1)))
  return { values, scales }
}
