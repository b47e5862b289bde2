// A classifier on top of a transformer encoder, as graphs: one that answers, one that gives the loss and its gradients.
// Which weights move is decided here; nothing is run.
import { SluiceError } from '../../core/error.ts'
import { type Random, normal } from '../../core/random.ts'
import { GraphBuilder } from '../graph-builder.ts'
import { pruned } from './fold.ts'
import { adapted } from './lora.ts'
import type { GraphSpec, Tensor } from '../../ports/graph.ts'

/** A table whose rows are looked up: only rows that a batch names have a gradient. */
export interface Lookup {
  readonly table: string
  /** Values of the graph: the rows [… × width] and the numbers of the rows that were asked for. */
  readonly rows: string
  readonly indices: string
}

export interface Classifier {
  /** Tokens in, `logits` [rows × classes] out; the initializers hold the weights. */
  readonly spec: GraphSpec
  /** Initializers that are trained, whole. */
  readonly weights: readonly string[]
  /** Tables that are trained by rows. */
  readonly lookups: readonly Lookup[]
  /** Whether adapters are trained instead of the encoder's own weights. */
  readonly adapted: boolean
}

const HEAD_WEIGHT = 'classifier.weight'
const HEAD_BIAS = 'classifier.bias'
/** Weights that no encoder has. */
export const CLASSIFIER: ReadonlySet<string> = new Set([HEAD_WEIGHT, HEAD_BIAS])
const HEAD_SPREAD = 0.02
/** Names of the inputs that training adds. */
export const KEPT = 'kept'
export const TARGETS = 'targets'

/**
 * Mean of the last layer's vectors over the tokens (Reimers & Gurevych, "Sentence-BERT", section 3), times `kept`
 * (dropout; ones when answering), then linear. `rank` > 0: the encoder's own weights stay and adapters of that rank are
 * trained. Throws SL501 where the encoder gives no vectors of known width by token, or has no attention_mask.
 */
export function classifierOf(
  whole: GraphSpec,
  { classes, rank, next }: { readonly classes: number; readonly rank: number; readonly next: Random },
): Classifier {
  const hidden = tokenVectors(whole)
  const width = hidden?.dims[2]
  if (hidden === undefined || typeof width !== 'number')
    throw new SluiceError('SL501', `${whole.name}: gives no vectors of known width by token; export its last layer`)
  const encoder = pruned(whole, [hidden.name])
  if (!encoder.inputs.some(({ name }) => name === 'attention_mask'))
    throw new SluiceError('SL501', `${encoder.name}: has no input attention_mask`)
  const adapters = rank > 0 ? adapted(encoder, rank, next) : undefined
  const graph = new GraphBuilder('classifier', 'head/')
  graph.include(adapters?.spec ?? encoder)
  const mask = graph.op('Unsqueeze', [graph.op('Cast', ['attention_mask'], { to: 1 }), graph.ints(2)])
  const total = graph.op('ReduceSum', [graph.op('Mul', [hidden.name, mask]), graph.ints(1)], { keepdims: 0 })
  const pooled = graph.op('Div', [total, graph.op('ReduceSum', [mask, graph.ints(1)], { keepdims: 0 })])
  const kept = graph.op('Mul', [pooled, graph.input(KEPT, ['batch', width])])
  const spread = Float32Array.from({ length: width * classes }, () => HEAD_SPREAD * normal(next))
  const weight = graph.tensor(HEAD_WEIGHT, { dtype: 'float32', dims: [width, classes], data: spread })
  const zeros: Tensor = { dtype: 'float32', dims: [classes], data: new Float32Array(classes) }
  const logits = graph.op('Add', [graph.op('MatMul', [kept, weight]), graph.tensor(HEAD_BIAS, zeros)])
  graph.output('logits', logits, ['batch', classes])
  const spec = graph.spec()
  const lookups = adapters ? [] : lookupsOf(spec)
  const tables = new Set(lookups.map(({ table }) => table))
  // What only an operator of a vendor reads, bytes and their scales, stays as it is.
  const frozen = new Set(spec.nodes.filter(({ domain }) => domain).flatMap(({ inputs }) => inputs))
  const own = Object.entries(spec.initializers)
    .filter(
      ([name, { dtype, data }]) => dtype === 'float32' && data.length > 1 && !tables.has(name) && !frozen.has(name),
    )
    .map(([name]) => name)
  const weights = adapters ? [...adapters.weights, HEAD_WEIGHT, HEAD_BIAS] : own
  return { spec, weights, lookups, adapted: adapters !== undefined }
}

/** The output of an encoder that gives a vector a token. */
export function tokenVectors({ outputs }: GraphSpec): GraphSpec['outputs'][number] | undefined {
  return outputs.find(({ dims, dtype }) => dims.length === 3 && dtype === 'float32')
}

function lookupsOf({ nodes, initializers }: GraphSpec): Lookup[] {
  return nodes.flatMap(({ op, inputs, outputs, attributes }) => {
    const [table, indices] = inputs
    const { dtype, dims } = initializers[table ?? ''] ?? {}
    if (op !== 'Gather' || dtype !== 'float32' || dims?.length !== 2 || (attributes?.['axis'] ?? 0) !== 0) return []
    return [{ table: table!, rows: outputs[0]!, indices: indices! }]
  })
}

/** With the loss: cross-entropy against `targets` [rows × classes], whose sum weighs a row (Goodfellow et al., 6.2.2). */
export function withLoss({ spec, lookups }: Classifier, classes: number): GraphSpec {
  const graph = new GraphBuilder('fine-tuning', 'loss/')
  graph.include(spec)
  const targets = graph.input(TARGETS, ['batch', classes])
  const cross = graph.op('Mul', [targets, graph.op('LogSoftmax', ['logits'], { axis: -1 })])
  graph.output('loss', graph.op('Neg', [graph.op('ReduceSum', [cross], { keepdims: 0 })]), [])
  lookups.forEach(({ indices }, at) => graph.output(`indices.${at}`, indices, [`any.${at}`], 'int64'))
  return graph.spec()
}

/** The graph that answers: nothing is dropped. */
export function answering({ inputs, initializers, ...rest }: GraphSpec): GraphSpec {
  const width = initializers[HEAD_WEIGHT]!.dims[0]!
  const ones: Tensor = { dtype: 'float32', dims: [1, width], data: new Float32Array(width).fill(1) }
  return {
    ...rest,
    inputs: inputs.filter(({ name }) => name !== KEPT),
    initializers: { ...initializers, [KEPT]: ones },
  }
}

/** The graph with these initializers as inputs, so that they may change from run to run. */
export function asInputs(spec: GraphSpec, names: readonly string[]): GraphSpec {
  const moved = new Set(names)
  return {
    ...spec,
    inputs: [...spec.inputs, ...names.map((name) => ({ name, ...described(spec.initializers[name]!) }))],
    initializers: Object.fromEntries(Object.entries(spec.initializers).filter(([name]) => !moved.has(name))),
  }
}

function described({ dtype, dims }: Tensor): Pick<Tensor, 'dtype' | 'dims'> {
  return { dtype, dims }
}
