// Low-rank adapters: beside each large weight W of a product x·W stands x·A·B, and only A and B are trained.
// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1: A drawn, B zero, scaled by alpha / rank.
import { type Random, normal } from '../../core/random.ts'
import { GraphBuilder } from '../graph-builder.ts'
import type { GraphNode, GraphSpec, Tensor } from '../../ports/graph.ts'

/** alpha / rank. */
const SCALE = 2
/** Smaller weights have no adapter. */
const SIZE_MIN = 1024

interface Adapted {
  readonly spec: GraphSpec
  readonly weights: readonly string[]
}

const names = (weight: string) => [`${weight}.lora.a`, `${weight}.lora.b`] as const

function largeWeight({ initializers }: GraphSpec, { op, inputs }: GraphNode): string | undefined {
  const { dims, dtype, data } = initializers[inputs[1] ?? ''] ?? {}
  return op === 'MatMul' && dtype === 'float32' && dims?.length === 2 && data!.length >= SIZE_MIN
    ? inputs[1]
    : undefined
}

export function adapted(spec: GraphSpec, rank: number, next: Random): Adapted {
  const graph = new GraphBuilder(spec.name, 'lora/')
  const weights: string[] = []
  graph.include({ ...spec, nodes: [] })
  for (const node of spec.nodes) {
    const weight = largeWeight(spec, node)
    if (weight === undefined) {
      graph.include({ inputs: [], initializers: {}, nodes: [node] })
      continue
    }
    const [x] = node.inputs as [string]
    const [rows, columns] = spec.initializers[weight]!.dims as [number, number]
    const [a, b] = names(weight)
    const spread = 1 / Math.sqrt(rows)
    const drawn = Float32Array.from({ length: rows * rank }, () => spread * normal(next))
    graph.tensor(a, { dtype: 'float32', dims: [rows, rank], data: drawn })
    graph.tensor(b, { dtype: 'float32', dims: [rank, columns], data: new Float32Array(rank * columns) })
    weights.push(a, b)
    const narrow = graph.op('Mul', [graph.op('MatMul', [x, a]), graph.scalar(SCALE)])
    const sum = [graph.op('MatMul', [x, weight]), graph.op('MatMul', [narrow, b])]
    graph.include({ inputs: [], initializers: {}, nodes: [{ op: 'Add', inputs: sum, outputs: node.outputs }] })
  }
  return { spec: { ...graph.spec(), outputs: spec.outputs }, weights }
}

/** The encoder as it was, with what the adapters learned added to its weights. */
export function merged(encoder: GraphSpec, learned: Readonly<Record<string, Tensor>>): GraphSpec {
  const initializers = { ...encoder.initializers }
  for (const [name, tensor] of Object.entries(encoder.initializers)) {
    const [a, b] = names(name).map((one) => learned[one])
    if (a && b) initializers[name] = { ...tensor, data: plusProduct(tensor.data as Float32Array, a, b) }
  }
  return { ...encoder, initializers }
}

function plusProduct(weight: Float32Array, a: Tensor, b: Tensor): Float32Array {
  const [rows, rank] = a.dims as [number, number]
  const columns = b.dims[1]!
  const sum = Float32Array.from(weight)
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < rank; k++) {
      const factor = SCALE * (a.data[row * rank + k] as number)
      for (let column = 0; column < columns; column++)
        sum[row * columns + column]! += factor * (b.data[k * columns + column] as number)
    }
  return sum
}
