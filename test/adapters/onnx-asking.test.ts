import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { asking, saidOf } from '../../src/adapters/onnx/asking.ts'
import type { Answered } from '../../src/adapters/onnx/open-kind.ts'

const PATHS = 2

it('answers every input once: the cheap answer where it is sure enough, else what the dear one says, told the cheap one; weighed as the cheap one says', async () => {
  const shares = fc.array(fc.oneof(fc.constant(NaN), fc.double({ min: 0.5, max: 1, noNaN: true })), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(
      shares,
      fc.double({ min: 0, max: 1.1, noNaN: true }),
      fc.nat(4),
      fc.boolean(),
      async (sure, ask, cut, weighs) => {
        const order = sure.map((_, row) => row).toReversed()
        const batch = new Float32Array(order.length * PATHS)
        const weighed = new Float32Array(order.length * PATHS)
        async function* cheap(): AsyncIterable<Answered> {
          for (let from = 0; from < order.length; from += cut + 1) {
            const rows = Int32Array.from(order.slice(from, from + cut + 1))
            // One buffer for all batches: a batch is valid until the next is asked for.
            rows.forEach((row, at) => {
              batch.set([sure[row]!, 1 - sure[row]!], at * PATHS)
              weighed.set([row, -row], at * PATHS)
            })
            const factors = weighs ? weighed.subarray(0, rows.length * PATHS) : undefined
            yield { rows, values: batch.subarray(0, rows.length * PATHS), factors }
          }
        }
        const told: number[] = []
        const found = new Map<number, number>()
        const all = asking(cheap(), { ask, paths: PATHS }, async function* (unsure) {
          for (const at of unsure.keys()) {
            const said = saidOf(unsure, Int32Array.of(at))
            told[unsure[at]!.row] = said[0]!
            yield { rows: Int32Array.of(at), values: Float32Array.of(-1, -1) }
          }
        })
        for await (const { rows, values, factors } of all)
          rows.forEach((row, at) => {
            assert.deepEqual(
              factors?.subarray(at * PATHS, (at + 1) * PATHS),
              weighs ? Float32Array.of(row, -row) : undefined,
            )
            assert.ok(!found.has(row), 'twice')
            found.set(row, values[at * PATHS]!)
          })
        sure.forEach((share, row) => {
          const stands = Math.max(Math.fround(share), Math.fround(1 - share)) >= ask
          assert.equal(found.get(row), stands ? Math.fround(share) : -1)
          if (!stands) assert.equal(told[row], Math.fround(share))
        })
      },
    ),
  )
})
