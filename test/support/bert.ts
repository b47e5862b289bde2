// A small transformer encoder with random weights, written as exporters write BERT: shapes are computed by the graph,
// padding is masked in the attention, the GELU is spelled out. `bytes` keeps its weights as bytes with scales.
import { normal, random } from '../../src/core/random.ts'
import { GraphBuilder } from '../../src/learn/graph-builder.ts'
import type { GraphSpec } from '../../src/ports/graph.ts'

const HEADS = 2

export function tinyBert({ layers = 1, width = 16, vocabulary = 40, bytes = false, types = true } = {}): GraphSpec {
  const graph = new GraphBuilder('bert')
  const next = random(7)
  const weight = (name: string, dims: number[]): string => {
    const size = dims.reduce((a, b) => a * b, 1)
    const values = Float32Array.from(
      { length: size },
      () => normal(next) / Math.sqrt(dims[0]! < 100 ? dims[0]! : width),
    )
    if (!bytes) return graph.tensor(name, { dtype: 'float32', dims, data: values })
    const data = Int8Array.from(values, (value) => Math.max(-127, Math.min(127, Math.round(value * 50))))
    const kept = graph.op('Cast', [graph.tensor(`${name}_q`, { dtype: 'int8', dims, data })], { to: 1 })
    return graph.op('Mul', [kept, graph.scalar(1 / 50)])
  }
  const filled = (name: string, size: number, value: number) =>
    graph.tensor(name, { dtype: 'float32', dims: [size], data: new Float32Array(size).fill(value) })
  const norm = (name: string, x: string) =>
    graph.op('LayerNormalization', [x, filled(`${name}.scale`, width, 1), filled(`${name}.bias`, width, 0)], {
      axis: -1,
      epsilon: 1e-12,
    })
  const linear = (name: string, x: string, from: number, to: number) =>
    graph.op('Add', [graph.op('MatMul', [x, weight(name, [from, to])]), filled(`${name}.bias`, to, 0)])

  const ids = graph.input('input_ids', ['batch', 'sequence'], 'int64')
  const mask = graph.input('attention_mask', ['batch', 'sequence'], 'int64')
  const zero = { dtype: 'int64', dims: [], data: BigInt64Array.of(0n) } as const
  const one = { ...zero, data: BigInt64Array.of(1n) }
  const length = graph.op('Gather', [graph.op('Shape', [ids]), graph.tensor('one', one)])
  const positions = graph.op('Range', [graph.tensor('zero', zero), length, 'one'])
  const embedded = [
    graph.op('Gather', [weight('words', [vocabulary, width]), ids]),
    graph.op('Gather', [weight('positions', [32, width]), positions]),
    ...(types
      ? [
          graph.op('Gather', [
            weight('types', [2, width]),
            graph.input('token_type_ids', ['batch', 'sequence'], 'int64'),
          ]),
        ]
      : []),
  ]
  let x = norm(
    'embeddings',
    embedded.reduce((a, b) => graph.op('Add', [a, b])),
  )
  const there = graph.op('Unsqueeze', [graph.op('Cast', [mask], { to: 9 }), graph.ints(1, 2)])
  const bias = graph.op('Where', [there, graph.scalar(0), graph.scalar(-1e9)])
  const batch = graph.op('Gather', [graph.op('Shape', [ids]), graph.ints(0)])
  const split = graph.op('Concat', [batch, graph.ints(-1, HEADS, width / HEADS)], { axis: 0 })
  const whole = graph.op('Concat', [batch, graph.ints(-1, width)], { axis: 0 })
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `layer.${layer}.${part}`
    const heads = (part: string, perm: number[]) =>
      graph.op('Transpose', [graph.op('Reshape', [linear(name(part), x, width, width), split])], { perm })
    const [q, k, v] = [heads('query', [0, 2, 1, 3]), heads('key', [0, 2, 3, 1]), heads('value', [0, 2, 1, 3])]
    const scores = graph.op('Div', [graph.op('MatMul', [q, k]), graph.scalar(Math.sqrt(width / HEADS))])
    const seen = graph.op('MatMul', [graph.op('Softmax', [graph.op('Add', [scores, bias])], { axis: -1 }), v])
    const joined = graph.op('Reshape', [graph.op('Transpose', [seen], { perm: [0, 2, 1, 3] }), whole])
    x = norm(name('attention'), graph.op('Add', [linear(name('output'), joined, width, width), x]))
    const inner = linear(name('inner'), x, width, 2 * width)
    const erf = graph.op('Erf', [graph.op('Div', [inner, graph.scalar(Math.SQRT2)])])
    const gelu = graph.op('Mul', [graph.op('Mul', [inner, graph.op('Add', [erf, graph.scalar(1)])]), graph.scalar(0.5)])
    x = norm(name('last'), graph.op('Add', [linear(name('outer'), gelu, 2 * width, width), x]))
  }
  graph.output('last_hidden_state', x, ['batch', 'sequence', width])
  return graph.spec()
}
