// Derivatives of matrix products: for Y = A·B, dA = dY·Bᵀ and dB = Aᵀ·dY (Giles, "Collected matrix derivative results
// for forward and reverse mode algorithmic differentiation", 2.2.1). A weight shared by a whole batch is one large Gemm.
import { SluiceError } from '../../core/error.ts'
import type { GraphBuilder } from '../graph-builder.ts'
import { type Rule, number, shapedLike, unbroadcast } from './rule.ts'

/** All rows of a batch of matrices under each other, [-1, columns]. */
function flat(graph: GraphBuilder, value: string, columns: number): string {
  return graph.op('Reshape', [value, graph.ints(-1, columns)])
}

/** The last two axes exchanged. */
function transposed(graph: GraphBuilder, value: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, axis) => axis)
  return graph.op('Transpose', [value], { perm: [...perm.slice(0, -2), rank - 1, rank - 2] })
}

const matMul: Rule = ({ graph, node, dy, shape, needs }) => {
  const [a, b] = node.inputs as [string, string]
  const [left, right] = [shape(a), shape(b)]
  const whole = shape(node.outputs[0]!)
  if (left.length < 2 || right.length < 2)
    throw new SluiceError('SL503', `node "${node.outputs[0]}": MatMul of a vector cannot be differentiated`)
  const gradient = dy[0]!
  if (right.length === 2) {
    const [rows, columns] = right as [number, number]
    const under = flat(graph, gradient, columns)
    return [
      needs(0) ? shapedLike(graph, graph.op('Gemm', [under, b], { transB: 1 }), a) : undefined,
      needs(1) ? graph.op('Gemm', [flat(graph, a, rows), under], { transA: 1 }) : undefined,
    ]
  }
  const product = (x: string, y: string, to: string) => {
    const value = graph.op('MatMul', [x, y])
    const [sizes, target] = [shape(to), whole]
    const from = [...target.slice(0, -2), ...sizes.slice(-2)]
    return unbroadcast(graph, value, from, sizes)
  }
  return [
    needs(0) ? product(gradient, transposed(graph, b, right.length), a) : undefined,
    needs(1) ? product(transposed(graph, a, left.length), gradient, b) : undefined,
  ]
}

/** Y = alpha·op(A)·op(B) + beta·C, where op transposes or not. */
const gemm: Rule = ({ graph, node, dy, shape, needs }) => {
  const [a, b, c] = node.inputs as [string, string, string | undefined]
  const [transA, transB] = [number(node, 'transA', 0), number(node, 'transB', 0)]
  const alpha = number(node, 'alpha', 1)
  const gradient = dy[0]!
  const product = (x: string, y: string, left: number, right: number) =>
    graph.op('Gemm', [x, y], { transA: left, transB: right, alpha }, { floats: ['alpha'] })
  const da = () => (transA ? product(b, gradient, transB, 1) : product(gradient, b, 0, 1 - transB))
  const db = () => (transB ? product(gradient, a, 1, transA) : product(a, gradient, 1 - transA, 0))
  const dc = () => {
    const scaled = graph.op('Mul', [gradient, graph.scalar(number(node, 'beta', 1))])
    return unbroadcast(graph, scaled, shape(node.outputs[0]!), shape(c!))
  }
  return [needs(0) ? da() : undefined, needs(1) ? db() : undefined, c && needs(2) ? dc() : undefined]
}

export const MATRIX: Readonly<Record<string, Rule>> = { MatMul: matMul, Gemm: gemm }
