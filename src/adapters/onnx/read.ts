// Reads the bytes of an ONNX file into a graph described as plain data (ports/graph.ts): the inverse of serialise.ts.
// Understands what ports/graph.ts can say and refuses the rest by name; never reads a second file.
import onnxProto from 'onnx-proto'
import { SluiceError } from '../../core/error.ts'
import { DATA_TYPES } from './serialise.ts'
import type { onnx as Onnx } from 'onnx-proto'
import type { Attribute, Dtype, GraphNode, GraphSpec, Tensor, TensorData, ValueInfo } from '../../ports/graph.ts'

const { onnx } = onnxProto
const { AttributeType } = onnx.AttributeProto
const EXTERNAL = 1
/** Squeeze, ReduceSum and Softmax changed in 13; what we write is 17. */
const OPSET_MIN = 13
const OPSET_MAX = 17

/** Throws SluiceError SL501 where the bytes are no ONNX file or say what a GraphSpec cannot. */
export function read(model: Uint8Array): GraphSpec {
  let proto
  try {
    proto = onnx.ModelProto.decode(model)
  } catch (error) {
    throw new SluiceError('SL501', 'no ONNX file', { cause: error })
  }
  const { graph, opsetImport } = proto
  if (!graph) throw new SluiceError('SL501', 'no ONNX file: it holds no graph')
  const opset = Number(opsetImport?.find(({ domain }) => !domain)?.version ?? 0)
  if (opset < OPSET_MIN || opset > OPSET_MAX)
    throw new SluiceError('SL501', `opset ${opset}: export the model with opset ${OPSET_MAX}`)
  const initializers = Object.fromEntries((graph.initializer ?? []).map((one) => [one.name ?? '', tensor(one)]))
  return {
    name: graph.name ?? '',
    inputs: (graph.input ?? []).filter(({ name }) => !Object.hasOwn(initializers, name ?? '')).map(valueInfo),
    outputs: (graph.output ?? []).map(valueInfo),
    initializers,
    nodes: (graph.node ?? []).map(node),
  }
}

function dtype(type: number | null | undefined, name: string): Dtype {
  const found = Object.entries(DATA_TYPES).find(([, code]) => code === type)
  if (!found)
    throw new SluiceError('SL501', `"${name}" holds elements of ONNX type ${type ?? 0}, which is not supported`)
  return found[0] as Dtype
}

function valueInfo({ name, type }: Onnx.IValueInfoProto): ValueInfo {
  const { elemType, shape } = type?.tensorType ?? {}
  const dims = (shape?.dim ?? []).map(({ dimParam, dimValue }, at) => dimParam || Number(dimValue ?? 0) || `d${at}`)
  return { name: name ?? '', dtype: dtype(elemType, name ?? ''), dims }
}

const ARRAYS: Readonly<Record<Dtype, new (buffer: ArrayBuffer) => TensorData>> = {
  float32: Float32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
}

function tensor(proto: Onnx.ITensorProto): Tensor {
  const name = proto.name ?? ''
  if (proto.dataLocation === EXTERNAL || proto.externalData?.length)
    throw new SluiceError('SL501', `"${name}" refers to data outside the file`)
  const type = dtype(proto.dataType, name)
  const dims = (proto.dims ?? []).map(Number)
  const { rawData, floatData, int64Data, int32Data } = proto
  if (rawData?.length) return { dtype: type, dims, data: new ARRAYS[type](Uint8Array.from(rawData).buffer) }
  if (type === 'float32') return { dtype: type, dims, data: Float32Array.from(floatData ?? []) }
  if (type === 'int64')
    return { dtype: type, dims, data: BigInt64Array.from(int64Data ?? [], (one) => BigInt(String(one))) }
  const data = new ARRAYS[type](new ArrayBuffer((int32Data?.length ?? 0) * (type === 'int32' ? 4 : 1)))
  ;(data as Int32Array).set(int32Data ?? [])
  return { dtype: type, dims, data }
}

function node({ name, opType, domain, input, output, attribute: given }: Onnx.INodeProto): GraphNode {
  const attributes = Object.fromEntries(
    (given ?? []).map((one) => [one.name ?? '', attribute(one, `${opType} ${name ?? ''}`)]),
  )
  const floats = (given ?? [])
    .filter(({ type }) => type === AttributeType.FLOAT || type === AttributeType.FLOATS)
    .map((one) => one.name ?? '')
  return {
    op: opType ?? '',
    inputs: input ?? [],
    outputs: output ?? [],
    attributes,
    ...(domain ? { domain } : {}),
    ...(floats.length > 0 ? { floats } : {}),
  }
}

const utf8 = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array())

function attribute(one: Onnx.IAttributeProto, of: string): Attribute {
  switch (one.type) {
    case AttributeType.FLOAT:
      return one.f ?? 0
    case AttributeType.INT:
      return Number(one.i ?? 0)
    case AttributeType.STRING:
      return utf8(one.s)
    case AttributeType.FLOATS:
      return [...(one.floats ?? [])]
    case AttributeType.INTS:
      return (one.ints ?? []).map(Number)
    case AttributeType.STRINGS:
      return (one.strings ?? []).map(utf8)
    case AttributeType.TENSOR:
      return tensor(one.t ?? {})
    default:
      throw new SluiceError('SL501', `${of}: attribute "${one.name}" is of a kind that is not supported`)
  }
}
