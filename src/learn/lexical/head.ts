// The dense half of the lexical model as a training-step graph: a softmax head per level on the summed embeddings,
// trained jointly; gives back the gradient of the sums for the sparse half.
// Written out by hand: for softmax with cross-entropy the gradient of the logits is p − q.
import { adamwInputs, parameter, update } from '../adamw.ts'
import { GraphBuilder } from '../graph-builder.ts'
import type { GraphSpec } from '../../ports/graph.ts'
import type { AdamW } from '../adamw.ts'

export interface HeadSettings {
  readonly width: number
  /** Classes per level. */
  readonly classes: readonly number[]
  /** Share of each level in the loss. */
  readonly levelWeights: readonly number[]
  readonly labelSmoothing: number
  readonly adamw: AdamW
}

/**
 * Inputs: h [B, width], y0… [B] int32 (class per level), lr and corrections, w0 [width, classes], b0 … with moments.
 * Outputs: updated parameters and moments, dh [B, width], loss (mean over the batch, weighted sum over levels).
 */
export function headStep(settings: HeadSettings): GraphSpec {
  const { width, classes, levelWeights, labelSmoothing, adamw } = settings
  const graph = new GraphBuilder('lexical-step')
  const h = graph.input('h', ['B', width])
  const rows = graph.op('Cast', [graph.op('Gather', [graph.op('Shape', [h]), graph.ints(0)])], { to: 1 })
  adamwInputs(graph)
  const onOff = graph.tensor('on-off', { dtype: 'float32', dims: [2], data: new Float32Array([0, 1 - labelSmoothing]) })
  const transposed = graph.op('Transpose', [h], { perm: [1, 0] })
  const losses: string[] = []
  const gradients: string[] = []
  classes.forEach((count, level) => {
    const w = parameter(graph, `w${level}`, [width, count])
    const b = parameter(graph, `b${level}`, [count])
    const y = graph.input(`y${level}`, ['B'], 'int32')
    const logits = graph.op('Add', [graph.op('MatMul', [h, w]), b])
    const logP = graph.op('LogSoftmax', [logits], { axis: 1 })
    const hot = graph.op('OneHot', [graph.op('Cast', [y], { to: 7 }), graph.ints(count), onOff], { axis: 1 })
    const q = graph.op('Add', [hot, graph.scalar(labelSmoothing / count)])
    const cross = graph.op('ReduceSum', [graph.op('Mul', [q, logP])], { keepdims: 0 })
    const share = graph.op('Div', [graph.scalar(levelWeights[level]!), rows])
    losses.push(graph.op('Neg', [graph.op('Mul', [cross, share])]))
    const d = graph.op('Mul', [graph.op('Sub', [graph.op('Exp', [logP]), q]), share])
    update(graph, `w${level}`, graph.op('MatMul', [transposed, d]), [width, count], adamw)
    const bias = graph.op('ReduceSum', [d, graph.ints(0)], { keepdims: 0 })
    update(graph, `b${level}`, bias, [count], { ...adamw, weightDecay: 0 })
    gradients.push(graph.op('MatMul', [d, graph.op('Transpose', [w], { perm: [1, 0] })]))
  })
  graph.output('dh', graph.op('Sum', gradients), ['B', width])
  graph.output('loss', graph.op('Sum', losses), [1])
  return graph.spec()
}
