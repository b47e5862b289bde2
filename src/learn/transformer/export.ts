// What leaves training: one graph from tokens to probabilities, its weights kept in a byte each.
import { GraphBuilder } from '../graph-builder.ts'
import { logOf, mixtureOf } from '../stack/export.ts'
import { answering, classifierOf } from './classifier.ts'
import { merged } from './lora.ts'
import type { GraphNode, GraphSpec, Tensor } from '../../ports/graph.ts'
import type { Classifier } from './classifier.ts'

export type Mixture = readonly [number, number]

export interface Export {
  readonly classes: number
  readonly temperature: number
  /** A mixture: weights of another expert, whose probabilities [rows × classes] come in as `said`, and of this one. */
  readonly mixture?: Mixture | undefined
}

/** `probabilities` [rows × classes] of a fitted classifier, its adapters added to the weights they stood beside. */
export function exported(
  encoder: GraphSpec,
  { classifier, weights }: { readonly classifier: Classifier; readonly weights: Readonly<Record<string, Tensor>> },
  { classes, temperature, mixture }: Export,
): GraphSpec {
  const plain = classifier.adapted
    ? classifierOf(merged(encoder, weights), { classes, rank: 0, next: () => 0 }).spec
    : classifier.spec
  const kept = Object.entries(weights).filter(([name]) => Object.hasOwn(plain.initializers, name))
  const spec = answering({ ...plain, initializers: { ...plain.initializers, ...Object.fromEntries(kept) } })
  const graph = new GraphBuilder('transformer', 'answer/')
  graph.include(spec)
  const scaled = graph.op('Div', ['logits', graph.scalar(temperature)])
  const own = graph.op('Softmax', [scaled], { axis: -1 })
  const joined = (weights: Mixture) => {
    const said = [graph.input('said', ['batch', classes]), own].map((expert) => logOf(graph, expert))
    return mixtureOf(graph, said, weights)
  }
  graph.output('probabilities', mixture ? joined(mixture) : own, ['batch', classes])
  return graph.spec()
}

/** Weights with fewer elements stay floats. */
const SIZE_MIN = 256

/**
 * The same graph with large weights as bytes, a scale a column (tables: a row), the largest element 127. The runtime makes
 * them floats again as it loads: products of bytes would round each text by its batch, and so answer it differently
 * among others.
 */
export function inBytes(spec: GraphSpec): GraphSpec {
  const tables = new Set(spec.nodes.filter(({ op }) => op === 'Gather').map(({ inputs }) => inputs[0]))
  const initializers: Record<string, Tensor> = {}
  const nodes: GraphNode[] = []
  for (const [name, tensor] of Object.entries(spec.initializers)) {
    const { dtype, dims, data } = tensor
    if (dtype !== 'float32' || dims.length !== 2 || data.length < SIZE_MIN) {
      initializers[name] = tensor
      continue
    }
    const axis = tables.has(name) ? 0 : 1
    const { values, scales } = toBytes(tensor, axis)
    initializers[`${name}.bytes`] = { dtype: 'int8', dims, data: values }
    initializers[`${name}.scales`] = {
      dtype: 'float32',
      dims: axis === 0 ? [scales.length, 1] : [scales.length],
      data: scales,
    }
    nodes.push({ op: 'Cast', inputs: [`${name}.bytes`], outputs: [`${name}.floats`], attributes: { to: 1 } })
    nodes.push({ op: 'Mul', inputs: [`${name}.floats`, `${name}.scales`], outputs: [name] })
  }
  return { ...spec, initializers, nodes: [...nodes, ...spec.nodes] }
}

function toBytes({ dims, data }: Tensor, axis: 0 | 1): { readonly values: Int8Array; readonly scales: Float32Array } {
  const [rows, columns] = dims as [number, number]
  const scales = new Float32Array(axis === 0 ? rows : columns)
  const floats = data as Float32Array
  const line = (at: number) => (axis === 0 ? Math.floor(at / columns) : at % columns)
  for (let at = 0; at < floats.length; at++) scales[line(at)] = Math.max(scales[line(at)]!, Math.abs(floats[at]!) / 127)
  const values = Int8Array.from(floats, (value, at) => Math.round(value / (scales[line(at)]! || 1)))
  return { values, scales }
}
