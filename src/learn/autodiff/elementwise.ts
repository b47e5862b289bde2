// Derivatives of operators that work element by element, with numpy's broadcasting: the chain rule, each line a textbook
// derivative (Abramowitz & Stegun, 3.3 and 7.1.19 for erf). Broadcast inputs get the sum over what they were spread to.
import { type Rule, type Step, unbroadcast } from './rule.ts'

type Maths = Record<'add' | 'sub' | 'mul' | 'div', (a: string, b: string) => string>

function maths({ graph }: Step): Maths {
  return {
    add: (a, b) => graph.op('Add', [a, b]),
    sub: (a, b) => graph.op('Sub', [a, b]),
    mul: (a, b) => graph.op('Mul', [a, b]),
    div: (a, b) => graph.op('Div', [a, b]),
  }
}

/** Rules of an operator whose gradients have the output's shape before broadcasting is undone. */
function broadcasting(gradient: (step: Step, dy: string, at: number, m: Maths) => string | undefined): Rule {
  return (step) => {
    const { node, graph, shape } = step
    const dy = step.dy[0]!
    return node.inputs.map((input, at) => {
      if (!step.needs(at)) return undefined
      const whole = gradient(step, dy, at, maths(step))
      return whole === undefined ? undefined : unbroadcast(graph, whole, shape(node.outputs[0]!), shape(input))
    })
  }
}

/** Rule of a function of one input: the derivative at x (y is f(x)) times dy. */
function unary(derivative: (step: Step, x: string, y: string, m: Maths) => string): Rule {
  return (step) => {
    const m = maths(step)
    return [m.mul(step.dy[0]!, derivative(step, step.node.inputs[0]!, step.node.outputs[0]!, m))]
  }
}

/** 2/√π and 1/√(2π). */
const ERF_SLOPE = 2 / Math.sqrt(Math.PI)
const NORMAL_PEAK = 1 / Math.sqrt(2 * Math.PI)

export const ELEMENTWISE: Readonly<Record<string, Rule>> = {
  Identity: ({ dy }) => [dy[0]],
  Cast: ({ dy }) => [dy[0]],
  Neg: ({ graph, dy }) => [graph.op('Neg', [dy[0]!])],
  Add: broadcasting((_, dy) => dy),
  Sum: broadcasting((_, dy) => dy),
  Sub: broadcasting(({ graph }, dy, at) => (at === 0 ? dy : graph.op('Neg', [dy]))),
  Mul: broadcasting(({ node }, dy, at, { mul }) => mul(dy, node.inputs[1 - at]!)),
  Div: broadcasting(({ graph, node }, dy, at, { mul, div }) => {
    const [, b] = node.inputs
    return at === 0 ? div(dy, b!) : graph.op('Neg', [mul(dy, div(node.outputs[0]!, b!))])
  }),
  // d(a^b) = b·a^(b−1)·da; an exponent that is learned does not occur.
  Pow: broadcasting(({ graph, node }, dy, at, { sub, mul }) => {
    if (at !== 0) return undefined
    const [a, b] = node.inputs as [string, string]
    return mul(dy, mul(b, graph.op('Pow', [a, sub(b, graph.scalar(1))])))
  }),
  // Where the condition holds the gradient is the first value's, elsewhere the second's.
  Where: broadcasting(({ graph, node }, dy, at) => {
    const none = graph.scalar(0)
    const condition = node.inputs[0]!
    return at === 0 ? undefined : graph.op('Where', at === 1 ? [condition, dy, none] : [condition, none, dy])
  }),
  Sqrt: unary(({ graph }, _x, y, { div }) => div(graph.scalar(0.5), y)),
  Exp: unary((_, _x, y) => y),
  Log: unary(({ graph }, x) => graph.op('Reciprocal', [x])),
  Reciprocal: unary(({ graph }, _x, y, { mul }) => graph.op('Neg', [mul(y, y)])),
  Tanh: unary(({ graph }, _x, y, { sub, mul }) => sub(graph.scalar(1), mul(y, y))),
  Sigmoid: unary(({ graph }, _x, y, { sub, mul }) => mul(y, sub(graph.scalar(1), y))),
  Relu: unary(({ graph }, x) => graph.op('Cast', [graph.op('Greater', [x, graph.scalar(0)])], { to: 1 })),
  // 2/√π·exp(−x²), the factor taken into the exponent: a pass over the values less.
  Erf: unary(({ graph }, x, _y, { sub, mul }) => graph.op('Exp', [sub(graph.scalar(Math.log(ERF_SLOPE)), mul(x, x))])),
  // x·Φ(x), so Φ(x) + x·φ(x); Hendrycks & Gimpel, "Gaussian Error Linear Units", section 2.
  Gelu: unary(({ graph }, x, _y, { add, sub, mul }) => {
    const u = mul(x, graph.scalar(Math.SQRT1_2))
    const phi = graph.op('Exp', [sub(graph.scalar(Math.log(NORMAL_PEAK)), mul(u, u))])
    const half = graph.scalar(0.5)
    return add(add(mul(graph.op('Erf', [u]), half), half), mul(x, phi))
  }),
}
