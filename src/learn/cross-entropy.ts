// Softmax with cross-entropy against smoothed labels, as part of a training-step graph, its gradient written out by hand:
// p − q (label smoothing: Szegedy et al., "Rethinking the Inception Architecture", section 7).
import type { GraphBuilder } from './graph-builder.ts'

export interface LabelledLogits {
  /** [B, classes] */
  readonly logits: string
  readonly classes: number
  /** [B] int32, the class of each row. */
  readonly y: string
  /** Share of a label that is spread evenly over all classes. */
  readonly labelSmoothing: number
  /** Scalar that each row counts with: 1 / B for the mean. */
  readonly share: string
}

/** The loss [1], summed over the rows, and its gradient with respect to the logits [B, classes], both times the share. */
export function crossEntropy(
  graph: GraphBuilder,
  { logits, classes, y, labelSmoothing, share }: LabelledLogits,
): { readonly loss: string; readonly gradient: string } {
  const times = (value: string, factor: number) => graph.op('Mul', [value, graph.scalar(factor)])
  const sum = (values: string) => graph.op('ReduceSum', [values], { keepdims: 0 })
  const logP = graph.op('LogSoftmax', [logits], { axis: 1 })
  const at = graph.op('Unsqueeze', [y, graph.ints(1)])
  const gold = times(sum(graph.op('GatherElements', [logP, at], { axis: 1 })), 1 - labelSmoothing)
  const cross = graph.op('Add', [gold, times(sum(logP), labelSmoothing / classes)])
  // q is even over the classes, but for the gold one: it is not written out, for OneHot is slow.
  const even = graph.op('Sub', [graph.op('Exp', [logP]), graph.scalar(labelSmoothing / classes)])
  const more = graph.op('Expand', [times(share, labelSmoothing - 1), graph.op('Shape', [at])])
  return {
    loss: graph.op('Neg', [graph.op('Mul', [cross, share])]),
    gradient: graph.op('ScatterElements', [graph.op('Mul', [even, share]), at, more], { axis: 1, reduction: 'add' }),
  }
}
