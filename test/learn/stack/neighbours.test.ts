import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { tree } from '../../../src/core/lexical/tree.ts'
import { normal, random } from '../../../src/core/random.ts'
import { GraphBuilder } from '../../../src/learn/graph-builder.ts'
import { neighboursGraph, remember, voteRow, votes } from '../../../src/learn/stack/neighbours.ts'

const DIMS = 64
const ROWS = 200
const next = random(3)
const vectors = Float32Array.from({ length: ROWS * DIMS }, () => 0.5 + normal(next))
const rows = Int32Array.from({ length: ROWS }, (_, row) => row)
const gold = rows.map((row) => row % 3)
const memory = remember({ dims: DIMS, vectors, rows, gold })
const centred = (row: number) => {
  const own = vectors.subarray(row * DIMS, (row + 1) * DIMS).map((value, k) => value - memory.mean[k]!)
  const length = Math.hypot(...own)
  return own.map((value) => value / length)
}
const cosine = (a: number, b: number) => {
  const other = centred(b)
  return centred(a).reduce((sum, value, k) => sum + value * other[k]!, 0)
}

describe('neighbours in eight bits', () => {
  it('are those of full precision, nearest first, with their paths', async () => {
    const graph = await runtime.compile(runtime.serialise(neighboursGraph(memory)), { threads: 1 })
    const asked = [0, 17, 199]
    const data = Float32Array.from(asked.flatMap((row) => [...vectors.subarray(row * DIMS, (row + 1) * DIMS)]))
    const { cosines, paths } = await graph.run({ vectors: { dtype: 'float32', dims: [asked.length, DIMS], data } })
    await graph.close()
    const k = cosines!.dims[1]!
    asked.forEach((row, at) => {
      const exact = Array.from(rows, (other) => cosine(row, other)).sort((a, b) => b - a)
      const found = Array.from((cosines!.data as Float32Array).subarray(at * k, (at + 1) * k))
      found.forEach((value, rank) => assert.ok(Math.abs(value - exact[rank]!) < 0.02, `${value} ${exact[rank]}`))
      assert.equal(Number(paths!.data[at * k]), gold[row])
    })
  })

  it('vote in a graph as they do in plain numbers', async () => {
    const set = tree(labelSet([['a'], ['b'], ['c'], ['d']]))
    const vote = { warmth: 0.1, doubt: 0.01 }
    const graph = new GraphBuilder('vote')
    const cosines = graph.input('cosines', ['B', 3])
    const paths = graph.input('paths', ['B', 3], 'int64')
    graph.output('said', votes(graph, { cosines, paths }, set, vote), ['B', 4])
    const compiled = await runtime.compile(runtime.serialise(graph.spec()), { threads: 1 })
    const near = Float32Array.of(0.9, 0.8, 0.8, 0.2, 0.1, -0.5)
    const whose = BigInt64Array.of(2n, 0n, 2n, 1n, 1n, 3n)
    const { said } = await compiled.run({
      cosines: { dtype: 'float32', dims: [2, 3], data: near },
      paths: { dtype: 'int64', dims: [2, 3], data: whose },
    })
    await compiled.close()
    const wanted = new Float32Array(8)
    for (const row of [0, 1]) voteRow(near, whose, row, 3, vote, wanted, row * 4, 4)
    wanted.forEach((value, at) => assert.ok(Math.abs(value - (said!.data as Float32Array)[at]!) < 1e-4))
    const shares = Array.from(wanted, Math.exp)
    assert.ok(shares[2]! > 0.6, 'two near neighbours are believed')
    assert.ok(
      shares.slice(4).every((share) => share < 0.4),
      'far ones are hardly heard',
    )
  })
})
