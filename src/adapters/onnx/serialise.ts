// Turns a graph described as plain data (ports/graph.ts) into the bytes of an ONNX file.
// Never runs anything and never refers to external data: one file holds the whole model.
import onnxProto from 'onnx-proto'
import type { Attribute, Dtype, GraphNode, GraphSpec, Tensor, ValueInfo } from '../../ports/graph.ts'

const { onnx } = onnxProto
const { AttributeType } = onnx.AttributeProto

/** onnx.proto3, enum TensorProto.DataType. */
export const DATA_TYPES: Readonly<Record<Dtype, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
}

const IR_VERSION = 8
const OPSET = 17

/** The graph as an ONNX file: IR version 8, opset 17, `com.microsoft` 1 where a node uses it. */
export function serialise(spec: GraphSpec): Uint8Array {
  const domains = new Set(spec.nodes.map((node) => node.domain ?? ''))
  const model = onnx.ModelProto.create({
    irVersion: IR_VERSION,
    producerName: 'sluice',
    opsetImport: [
      { domain: '', version: OPSET },
      ...[...domains].filter((domain) => domain !== '').map((domain) => ({ domain, version: 1 })),
    ],
    graph: {
      name: spec.name,
      input: spec.inputs.map(valueInfo),
      output: spec.outputs.map(valueInfo),
      initializer: Object.entries(spec.initializers).map(([name, tensor]) => ({ name, ...tensorProto(tensor) })),
      node: spec.nodes.map(nodeProto),
    },
  })
  return onnx.ModelProto.encode(model).finish()
}

function valueInfo(value: ValueInfo): object {
  const dim = value.dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }))
  return { name: value.name, type: { tensorType: { elemType: DATA_TYPES[value.dtype], shape: { dim } } } }
}

function tensorProto({ dtype, dims, data }: Tensor): { dims: number[]; dataType: number; rawData: Uint8Array } {
  return {
    dims: [...dims],
    dataType: DATA_TYPES[dtype],
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }
}

function nodeProto(node: GraphNode, index: number): object {
  const floats = new Set(node.floats)
  return {
    name: `${node.op}_${index}`,
    opType: node.op,
    domain: node.domain ?? '',
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes ?? {}).map(([name, value]) => ({
      name,
      ...attribute(value, floats.has(name)),
    })),
  }
}

function attribute(value: Attribute, float: boolean): object {
  if (typeof value === 'string') return { type: AttributeType.STRING, s: new TextEncoder().encode(value) }
  if (typeof value === 'number')
    return float || !Number.isInteger(value)
      ? { type: AttributeType.FLOAT, f: value }
      : { type: AttributeType.INT, i: value }
  if (isTexts(value))
    return { type: AttributeType.STRINGS, strings: value.map((text) => new TextEncoder().encode(text)) }
  if (isTensor(value)) return { type: AttributeType.TENSOR, t: tensorProto(value) }
  return float ? { type: AttributeType.FLOATS, floats: [...value] } : { type: AttributeType.INTS, ints: [...value] }
}

function isTexts(value: readonly number[] | readonly string[] | Tensor): value is readonly string[] {
  return Array.isArray(value) && typeof value[0] === 'string'
}

function isTensor(value: readonly number[] | Tensor): value is Tensor {
  return 'dtype' in value
}
