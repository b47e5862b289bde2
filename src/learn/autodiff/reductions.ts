// Derivatives of sums, means and what normalises by them.
import { SluiceError } from '../../core/error.ts'
import { type Rule, type Step, fromFront, number, numbers, unbroadcast } from './rule.ts'

/** The gradient of a reduction, spread to the shape of its input. */
function spread({ graph, node, dy, shape }: Step, axes: readonly number[] | undefined): string {
  const [x] = node.inputs as [string]
  const rank = shape(x).length
  const all = axes ?? Array.from({ length: rank }, (_, axis) => axis)
  const kept =
    number(node, 'keepdims', 1) === 1
      ? dy[0]!
      : graph.op('Unsqueeze', [dy[0]!, graph.ints(...all.map((axis) => fromFront(axis, rank)))])
  return graph.op('Expand', [kept, graph.op('Shape', [x])])
}

/** Since opset 13 the axes of ReduceSum are an input; they must be a constant of the graph. */
const reduceSum: Rule = (step) => {
  const { node, graph } = step
  const given = node.inputs[1]
  if (!given) return [spread(step, undefined)]
  const axes = graph.spec().initializers[given]
  if (!axes) throw new SluiceError('SL503', `node "${node.outputs[0]}": ReduceSum over computed axes`)
  return [spread(step, Array.from(axes.data, Number))]
}

const reduceMean: Rule = (step) => {
  const { graph, node } = step
  const size = (value: string) => graph.op('Cast', [graph.op('Size', [value])], { to: 1 })
  const share = graph.op('Div', [size(node.outputs[0]!), size(node.inputs[0]!)])
  return [graph.op('Mul', [spread(step, numbers(node, 'axes')), share])]
}

/** dx = y·(dy − Σ dy·y), the sum along the axis; Goodfellow et al., "Deep Learning", 6.2.2.3. */
const softmax: Rule = ({ graph, node, dy }) => {
  const [y] = node.outputs as [string]
  const weighted = graph.op('Mul', [dy[0]!, y])
  const total = graph.op('ReduceSum', [weighted, graph.ints(number(node, 'axis', -1))], { keepdims: 1 })
  return [graph.op('Sub', [weighted, graph.op('Mul', [y, total])])]
}

/** dx = dy − exp(y)·Σ dy. */
const logSoftmax: Rule = ({ graph, node, dy }) => {
  const total = graph.op('ReduceSum', [dy[0]!, graph.ints(number(node, 'axis', -1))], { keepdims: 1 })
  return [graph.op('Sub', [dy[0]!, graph.op('Mul', [graph.op('Exp', [node.outputs[0]!]), total])])]
}

/**
 * With z = (x − mean)/deviation and g = dy·scale: dx = (g − mean(g) − z·mean(g·z))/deviation, dscale = Σ dy·z,
 * dbias = Σ dy. Ba et al., "Layer Normalization", section 3, differentiated as batch normalisation in Ioffe & Szegedy,
 * section 3. The forward node is made to give mean and 1/deviation.
 */
const layerNormalization: Rule = ({ graph, node, dy, shape, needs, output }) => {
  const [x, scale, bias] = node.inputs as [string, string, string | undefined]
  const gradient = dy[0]!
  const sizes = shape(x)
  const first = fromFront(number(node, 'axis', -1), sizes.length)
  const axes = sizes.map((_, axis) => axis).slice(first)
  const mul = (a: string, b: string) => graph.op('Mul', [a, b])
  const sub = (a: string, b: string) => graph.op('Sub', [a, b])
  const mean = (value: string) => graph.op('ReduceMean', [value], { axes, keepdims: 1 })
  const z = mul(sub(x, output(1)), output(2))
  const g = mul(gradient, scale)
  return [
    needs(0) ? mul(sub(sub(g, mean(g)), mul(z, mean(mul(g, z)))), output(2)) : undefined,
    needs(1) ? unbroadcast(graph, mul(gradient, z), sizes, shape(scale)) : undefined,
    bias && needs(2) ? unbroadcast(graph, gradient, sizes, shape(bias)) : undefined,
  ]
}

export const REDUCTIONS: Readonly<Record<string, Rule>> = {
  ReduceSum: reduceSum,
  ReduceMean: reduceMean,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  LayerNormalization: layerNormalization,
}
