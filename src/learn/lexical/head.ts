// The dense half of the lexical model as graphs: a softmax head per level on the summed embeddings, trained jointly.
// Gradients are written out by hand.
import { crossEntropy } from '../cross-entropy.ts'
import { GraphBuilder } from '../graph-builder.ts'
import type { GraphSpec } from '../../ports/graph.ts'

export interface HeadSize {
  readonly width: number
  /** Classes per level. */
  readonly classes: readonly number[]
}

export interface HeadLoss extends HeadSize {
  /** Share of each level in the loss. */
  readonly levelWeights: readonly number[]
  readonly labelSmoothing: number
}

/** Inputs: h [B, width], w0 [width, classes], b0 [classes], … Outputs: logits0 [B, classes] … */
export function headLogits({ width, classes }: HeadSize): GraphSpec {
  const graph = new GraphBuilder('lexical-logits')
  const h = graph.input('h', ['B', width])
  classes.forEach((count, level) =>
    graph.output(`logits${level}`, logitsOf(graph, h, width, count, level).logits, ['B', count]),
  )
  return graph.spec()
}

/**
 * Inputs: those of `headLogits` and y0… [B] int32 (class per level). Outputs: loss (mean over the batch, weighted sum over
 * levels) and its gradients: dh [B, width], dw0 [width, classes], db0 [classes] …
 */
export function headGradients({ width, classes, levelWeights, labelSmoothing }: HeadLoss): GraphSpec {
  const graph = new GraphBuilder('lexical-gradients')
  const h = graph.input('h', ['B', width])
  const rows = graph.op('Cast', [graph.op('Gather', [graph.op('Shape', [h]), graph.ints(0)])], { to: 1 })
  const transposed = graph.op('Transpose', [h], { perm: [1, 0] })
  const losses: string[] = []
  const gradients: string[] = []
  classes.forEach((count, level) => {
    const { w, logits } = logitsOf(graph, h, width, count, level)
    const y = graph.input(`y${level}`, ['B'], 'int32')
    const share = graph.op('Div', [graph.scalar(levelWeights[level]!), rows])
    const { loss, gradient: d } = crossEntropy(graph, { logits, classes: count, y, labelSmoothing, share })
    losses.push(loss)
    graph.output(`dw${level}`, graph.op('MatMul', [transposed, d]), [width, count])
    graph.output(`db${level}`, graph.op('ReduceSum', [d, graph.ints(0)], { keepdims: 0 }), [count])
    gradients.push(graph.op('MatMul', [d, graph.op('Transpose', [w], { perm: [1, 0] })]))
  })
  graph.output('dh', graph.op('Sum', gradients), ['B', width])
  graph.output('loss', graph.op('Sum', losses), [1])
  return graph.spec()
}

function logitsOf(graph: GraphBuilder, h: string, width: number, count: number, level: number) {
  const w = graph.input(`w${level}`, [width, count])
  const b = graph.input(`b${level}`, [count])
  return { w, logits: graph.op('Add', [graph.op('MatMul', [h, w]), b]) }
}
