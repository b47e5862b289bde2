import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { GraphBuilder } from '../../../src/learn/graph-builder.ts'
import { logOf, mixtureOf } from '../../../src/learn/stack/export.ts'
import { logs, mixed } from '../../../src/learn/stack/mix.ts'

const PATHS = 3

async function asGraph(experts: readonly Float32Array[], weights: readonly number[]): Promise<Float32Array> {
  const graph = new GraphBuilder('mixture')
  const inputs = experts.map((_, at) => graph.input(`expert${at}`, ['B', PATHS]))
  const said = inputs.map((name) => logOf(graph, name))
  graph.output('probabilities', mixtureOf(graph, said, weights), ['B', PATHS])
  const compiled = await runtime.compile(runtime.serialise(graph.spec()), { threads: 1 })
  const feeds = experts.map((data, at) => [
    `expert${at}`,
    { dtype: 'float32' as const, dims: [data.length / PATHS, PATHS], data },
  ])
  const { probabilities } = await compiled.run(Object.fromEntries(feeds))
  await compiled.close()
  return probabilities!.data as Float32Array
}

it('the graph of a mixture answers what the mixture of training computes, certainties and nothings included', async () => {
  const share = fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }))
  const rows = fc.array(fc.tuple(share, share, share), { minLength: 1, maxLength: 6 })
  const weight = fc.double({ min: 0, max: 2, noNaN: true })
  await fc.assert(
    fc.asyncProperty(rows, rows, weight, weight, async (a, b, first, second) => {
      const count = Math.min(a.length, b.length)
      const experts = [a, b].map((all) => Float32Array.from(all.slice(0, count).flat()))
      const graph = await asGraph(experts, [first, second])
      const plain = mixed(experts.map(logs), [first, second], PATHS)
      graph.forEach((value, at) => assert.ok(Math.abs(value - plain[at]!) < 1e-4, `${value} ${plain[at]}`))
    }),
    { numRuns: 40 },
  )
})
