// Shapes of the values of a graph, seen in one run: exported graphs compute their shapes as they go.
// A size of 1 must mean "always 1", so run it with two rows or more of two tokens or more.
import { GraphBuilder } from '../graph-builder.ts'
import type { GraphRuntime, GraphSpec, Tensor } from '../../ports/graph.ts'

/** Sizes of each value by name, inputs and initializers among them. */
export type Shapes = ReadonlyMap<string, readonly number[]>

/** Runs the graph on these feeds; what it computes is thrown away but for the shapes. */
export async function observeShapes(
  runtime: GraphRuntime,
  spec: GraphSpec,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Shapes> {
  const graph = new GraphBuilder(spec.name, 'shape/')
  graph.include(spec)
  const values = spec.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== '')
  for (const value of values) graph.output(`shape/${value}`, graph.op('Shape', [value]), ['rank'], 'int64')
  const compiled = await runtime.compile(runtime.serialise(graph.spec()), { threads: 1 })
  try {
    const seen = await compiled.run(feeds)
    const sizes = (value: string) => Array.from(seen[`shape/${value}`]!.data, Number)
    return new Map<string, readonly number[]>([
      ...Object.entries(feeds).map(([name, { dims }]) => [name, dims] as const),
      ...Object.entries(spec.initializers).map(([name, { dims }]) => [name, dims] as const),
      ...values.map((value) => [value, sizes(value)] as const),
    ])
  } finally {
    await compiled.close()
  }
}
