// An exported sequence classifier, made to give what every model here gives: `probabilities` [rows × paths]. Nodes are
// added behind its logits and nothing else is touched but a name that these need, so that any opset and any quantisation
// stays as it was exported.
import onnxProto from 'onnx-proto'
import { SluiceError } from '../../core/error.ts'
import type { onnx as Onnx } from 'onnx-proto'

const { onnx } = onnxProto
const [FLOAT, INT64] = [1, 7]
/** What the finished graph gives. */
const PROBABILITIES = 'probabilities'
const KNOWN_INPUTS = ['input_ids', 'attention_mask', 'token_type_ids']

interface Imported {
  readonly model: Uint8Array
  /** Whether it reads token_type_ids. */
  readonly types: boolean
}

/**
 * `order` gives the logit of each path. One logit for two labels counts for the second (a cross-encoder's score: its logistic function is the probability).
 * Throws SluiceError SL501 naming what is there where inputs or logits are not those of a classifier of so many labels.
 */
export function importGraph(bytes: Uint8Array, order: readonly number[], temperature: number): Imported {
  const classes = order.length
  const proto = decoded(bytes)
  const graph = proto.graph!
  const inputs = (graph.input ?? []).map(({ name }) => name ?? '').filter((name) => !held(graph, name))
  const strange = inputs.filter((name) => !KNOWN_INPUTS.includes(name))
  if (strange.length > 0 || !inputs.includes('input_ids') || !inputs.includes('attention_mask'))
    throw new SluiceError(
      'SL501',
      `reads ${inputs.join(', ')}; input_ids and attention_mask are wanted, token_type_ids may be`,
    )
  const found = graph.output?.find(({ name }) => name === 'logits') ?? graph.output?.[0]
  const logits = found?.name ?? ''
  const dims = found?.type?.tensorType?.shape?.dim ?? []
  const width = Number(dims.at(-1)?.dimValue ?? 0)
  if (dims.length !== 2 || !(width === classes || width === 0 || (width === 1 && classes === 2)))
    throw new SluiceError(
      'SL501',
      `gives "${logits}" [${dims.map((dim) => dim.dimParam || Number(dim.dimValue ?? 0)).join(' × ')}]; logits [rows × ${classes}] are wanted for ${classes} labels`,
    )
  if (logits !== PROBABILITIES) freeName(graph, PROBABILITIES)
  const add = (opType: string, input: string[], attribute: Onnx.IAttributeProto[] = []) => {
    const output = `sluice/${opType}_${graph.node!.length}`
    graph.node!.push(onnx.NodeProto.create({ name: output, opType, input, output: [output], attribute }))
    return output
  }
  const int = (name: string, i: number) =>
    onnx.AttributeProto.create({ name, type: onnx.AttributeProto.AttributeType.INT, i })
  graph.initializer!.push(constant('sluice/temperature', temperature), constant('sluice/zero', 0), positions(order))
  let scores = add('Div', [add('Cast', [logits], [int('to', FLOAT)]), 'sluice/temperature'])
  if (width === 1 && classes === 2)
    scores = add('Concat', [add('Mul', [scores, 'sluice/zero']), scores], [int('axis', 1)])
  scores = add('Gather', [scores, 'sluice/order'], [int('axis', 1)])
  const probabilities = add('Softmax', [scores], [int('axis', 1)])
  graph.node!.push(onnx.NodeProto.create({ opType: 'Identity', input: [probabilities], output: [PROBABILITIES] }))
  const shape = { dim: [{ dimParam: 'rows' }, { dimValue: classes }] }
  graph.output = [onnx.ValueInfoProto.create({ name: PROBABILITIES, type: { tensorType: { elemType: FLOAT, shape } } })]
  return { model: onnx.ModelProto.encode(proto).finish(), types: inputs.includes('token_type_ids') }
}

function decoded(bytes: Uint8Array): Onnx.ModelProto {
  let proto
  try {
    proto = onnx.ModelProto.decode(bytes)
  } catch (error) {
    throw new SluiceError('SL501', 'no ONNX file', { cause: error })
  }
  if (!proto.graph) throw new SluiceError('SL501', 'no ONNX file: it holds no graph')
  const wrong = proto.graph.input?.find(
    ({ name, type }) => KNOWN_INPUTS.includes(name ?? '') && type?.tensorType?.elemType !== INT64,
  )
  if (wrong) throw new SluiceError('SL501', `reads "${wrong.name}" as another kind of number than int64`)
  return proto
}

/** Some exporters give their own probabilities beside the logits. */
function freeName(graph: Onnx.IGraphProto, taken: string): void {
  const other = (name: string) => (name === taken ? `sluice/given_${taken}` : name)
  for (const node of graph.node ?? []) {
    node.input = node.input?.map(other) ?? []
    node.output = node.output?.map(other) ?? []
  }
  for (const one of [...(graph.initializer ?? []), ...(graph.valueInfo ?? [])]) one.name = other(one.name ?? '')
}

function held(graph: Onnx.IGraphProto, name: string): boolean {
  return graph.initializer?.some((tensor) => tensor.name === name) ?? false
}

function constant(name: string, value: number): Onnx.TensorProto {
  return onnx.TensorProto.create({ name, dataType: FLOAT, dims: [1], floatData: [value] })
}

function positions(order: readonly number[]): Onnx.TensorProto {
  return onnx.TensorProto.create({ name: 'sluice/order', dataType: INT64, dims: [order.length], int64Data: [...order] })
}
