// Heads over vectors as graphs: one training step, and logits per level for validation and serving.
// Each level has its own: Linear → ReLU → Dropout → Linear, or one Linear. Gradients are written out by hand.
import { adamwInputs, parameter, update } from '../adamw.ts'
import { crossEntropy } from '../cross-entropy.ts'
import { GraphBuilder } from '../graph-builder.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphSpec, Tensor } from '../../ports/graph.ts'
import type { HeadSettings } from './settings.ts'

/**
 * By name: `w0` [dims × hidden], `b0`, `v0` [hidden × classes], `c0` of level 0, …; a linear head has v and c alone.
 * `mean` and `gain` [dims] are not learned: vectors are centred and scaled by them first.
 */
export type HeadWeights = Readonly<Record<string, Tensor>>

export function shapesOf(dims: number, classes: readonly number[], hidden: number): Record<string, readonly number[]> {
  return Object.fromEntries(
    classes.flatMap((count, level): [string, readonly number[]][] => [
      ...(hidden > 0
        ? [[`w${level}`, [dims, hidden]] as [string, number[]], [`b${level}`, [hidden]] as [string, number[]]]
        : []),
      [`v${level}`, [hidden > 0 ? hidden : dims, count]],
      [`c${level}`, [count]],
    ]),
  )
}

/**
 * Inputs: x [B, dims], centred and scaled, y0… [B] int32, keep0… [B, hidden] (0, or 1 / (1 − dropout)), lr and corrections, weights with
 * moments. Outputs: the updated ones, loss [1] (mean over the batch, sum over levels).
 */
export function headStep(dims: number, classes: readonly number[], settings: HeadSettings): GraphSpec {
  const { hidden, labelSmoothing, adamw } = settings
  const graph = new GraphBuilder('head-step')
  const x = graph.input('x', ['B', dims])
  const transposed = (value: string) => graph.op('Transpose', [value], { perm: [1, 0] })
  const sumRows = (value: string) => graph.op('ReduceSum', [value, graph.ints(0)], { keepdims: 0 })
  const rows = graph.op('Cast', [graph.op('Gather', [graph.op('Shape', [x]), graph.ints(0)])], { to: 1 })
  const share = graph.op('Div', [graph.scalar(1), rows])
  adamwInputs(graph)
  const shapes = shapesOf(dims, classes, hidden)
  const names = Object.entries(shapes).map(([name, shape]) => parameter(graph, name, shape))
  const learn = (name: string, gradient: string) =>
    update(graph, name, gradient, shapes[name]!, shapes[name]!.length === 1 ? { ...adamw, weightDecay: 0 } : adamw)
  const losses = classes.map((count, level) => {
    const [w, b, v, c] = [`w${level}`, `b${level}`, `v${level}`, `c${level}`]
    const y = graph.input(`y${level}`, ['B'], 'int32')
    const wide = names.includes(w) ? graph.op('Add', [graph.op('MatMul', [x, w]), b]) : x
    const keep = names.includes(w) ? graph.input(`keep${level}`, ['B', hidden]) : ''
    const h = names.includes(w) ? graph.op('Mul', [graph.op('Relu', [wide]), keep]) : x
    const logits = graph.op('Add', [graph.op('MatMul', [h, v]), c])
    const { loss, gradient: d } = crossEntropy(graph, { logits, classes: count, y, labelSmoothing, share })
    learn(v, graph.op('MatMul', [transposed(h), d]))
    learn(c, sumRows(d))
    if (names.includes(w)) {
      const open = graph.op('Cast', [graph.op('Greater', [wide, graph.scalar(0)])], { to: 1 })
      const back = graph.op('Mul', [graph.op('MatMul', [d, transposed(v)]), graph.op('Mul', [open, keep])])
      learn(w, graph.op('MatMul', [transposed(x), back]))
      learn(b, sumRows(back))
    }
    return loss
  })
  graph.output('loss', graph.op('Sum', losses), [1])
  return graph.spec()
}

/** Adds logits per level of vectors `x` [B, dims] to a graph; the names of the logits, l1 first. */
export function logits(graph: GraphBuilder, x: string, weights: HeadWeights, levels: number): string[] {
  const constant = (name: string) => graph.tensor(name, weights[name]!)
  const scaled = graph.op('Mul', [graph.op('Sub', [x, constant('mean')]), constant('gain')])
  return Array.from({ length: levels }, (_, level) => {
    const linear = (from: string, w: string, b: string) =>
      graph.op('Add', [graph.op('MatMul', [from, constant(`${w}${level}`)]), constant(`${b}${level}`)])
    const h = weights[`w${level}`] === undefined ? scaled : graph.op('Relu', [linear(scaled, 'w', 'b')])
    return linear(h, 'v', 'c')
  })
}

/** Input: vectors [B, dims]. Outputs: logits0 [B, classes], … */
export function logitsGraph(dims: number, tree: Tree, weights: HeadWeights): GraphSpec {
  const graph = new GraphBuilder('head-logits')
  const x = graph.input('vectors', ['B', dims])
  logits(graph, x, weights, tree.levels).forEach((name, level) =>
    graph.output(`logits${level}`, name, ['B', tree.nodes[level]!]),
  )
  return graph.spec()
}

/** Adds the scores over existing paths, Σ logits(level, node) / temperature(level), to a graph. */
export function pathScores(
  graph: GraphBuilder,
  perLevel: readonly string[],
  tree: Tree,
  temperatures: readonly number[],
): string {
  const terms = perLevel.map((name, level) => {
    const nodeOf = tree.nodeOf[level]!
    const nodes = graph.tensor(`node-of-${level}`, { dtype: 'int32', dims: [nodeOf.length], data: nodeOf })
    const cooled = graph.op('Div', [name, graph.scalar(temperatures[level]!)])
    return graph.op('Gather', [cooled, nodes], { axis: 1 })
  })
  return graph.op('Sum', terms)
}

/** Input: vectors [B, dims]. Output: probabilities [B, paths], the joint distribution over existing paths. */
export function servingHead(
  dims: number,
  tree: Tree,
  weights: HeadWeights,
  temperatures: readonly number[],
): GraphSpec {
  const graph = new GraphBuilder('head')
  const x = graph.input('vectors', ['B', dims])
  const scores = pathScores(graph, logits(graph, x, weights, tree.levels), tree, temperatures)
  graph.output('probabilities', graph.op('Softmax', [scores], { axis: 1 }), ['B', tree.paths])
  return graph.spec()
}
