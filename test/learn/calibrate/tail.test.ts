// Calibration in the graph: the nodes behind a model compute what core says they should, and can be taken away again.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runtime } from '../../../src/adapters/onnx/runtime.ts'
import { logMarginals, scaledRow } from '../../../src/core/calibration/scaling.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { normal, random } from '../../../src/core/random.ts'
import { withTail, withoutTail } from '../../../src/learn/calibrate/tail.ts'
import type { Scaling } from '../../../src/core/calibration/scaling.ts'
import type { Tree } from '../../../src/core/lexical/tree.ts'
import type { GraphSpec } from '../../../src/ports/graph.ts'

const TREES: Record<string, Tree> = {
  'three levels': treeOf(
    labelSet([
      ['a', 'x', '1'],
      ['a', 'x', '2'],
      ['a', 'y', '1'],
      ['b', 'z', '1'],
    ]),
  ),
  'a flat set': treeOf(labelSet([['a'], ['b'], ['c']])),
}

const model = (paths: number): GraphSpec => ({
  name: 'plain',
  inputs: [{ name: 'logits', dtype: 'float32', dims: ['B', paths] }],
  outputs: [{ name: 'probabilities', dtype: 'float32', dims: ['B', paths] }],
  initializers: {},
  nodes: [{ op: 'Softmax', inputs: ['logits'], outputs: ['probabilities'], attributes: { axis: 1 } }],
})

async function answers(spec: GraphSpec, logits: Float32Array, paths: number): Promise<Float32Array> {
  const graph = await runtime.compile(runtime.serialise(spec), { threads: 1 })
  try {
    const { probabilities } = await graph.run({
      logits: { dtype: 'float32', dims: [logits.length / paths, paths], data: logits },
    })
    return Float32Array.from(probabilities!.data as Float32Array)
  } finally {
    await graph.close()
  }
}

describe('a calibration behind a graph', () => {
  for (const [name, tree] of Object.entries(TREES)) {
    const next = random(5)
    const spread = (nodes: number, centre: number) =>
      Float32Array.from({ length: nodes }, () => centre + 0.3 * normal(next))
    const scaling: Scaling = {
      weights: tree.nodes.map((nodes, level) => spread(nodes, level === tree.levels - 1 ? 1 : 0.2)),
      biases: tree.nodes.map((nodes) => spread(nodes, 0)),
    }
    const rows = 20
    const logits = Float32Array.from({ length: rows * tree.paths }, () => 8 * normal(next))

    test(`computes in ONNX what core computes: ${name}`, async () => {
      const joint = await answers(model(tree.paths), logits, tree.paths)
      const calibrated = await answers(withTail(model(tree.paths), tree, scaling), logits, tree.paths)
      const logs = logMarginals({ rows, joint, gold: new Int32Array(rows) }, tree)
      const out = new Float64Array(tree.paths)
      for (let row = 0; row < rows; row++) {
        scaledRow(logs, row, tree, scaling, out)
        out.forEach((value, path) => assert.ok(Math.abs(value - calibrated[row * tree.paths + path]!) < 1e-5))
      }
    })

    test(`is taken away without a trace, after bytes as before them: ${name}`, async () => {
      const read = runtime.read(runtime.serialise(withTail(model(tree.paths), tree, scaling)))
      const plain = withoutTail(read)
      assert.equal(plain.nodes.length, 1)
      assert.deepEqual(plain.initializers, {})
      assert.deepEqual(await answers(plain, logits, tree.paths), await answers(model(tree.paths), logits, tree.paths))
      assert.equal(withoutTail(plain), plain)
    })
  }
})
