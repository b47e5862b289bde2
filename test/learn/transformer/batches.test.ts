import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { random } from '../../../src/core/random.ts'
import { shuffledBatches, sortedBatches, tokenFeeds } from '../../../src/learn/transformer/batches.ts'

const lengths = fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 300 })
const rows = fc.integer({ min: 1, max: 40 })

describe('batches of rows', () => {
  it('hold each row once, and no more than asked for', () => {
    fc.assert(
      fc.property(lengths, rows, fc.integer(), (sizes, batchRows, seed) => {
        const batches = shuffledBatches(sizes, batchRows, random(seed))
        assert.deepEqual(
          batches.flatMap((batch) => [...batch]).sort((a, b) => a - b),
          [...sizes.keys()],
        )
        assert.ok(batches.every((batch) => batch.length > 0 && batch.length <= batchRows))
      }),
    )
  })

  it('sorted by length pad no more than rows in the order of the file, where all batches are full', () => {
    const padded = (sizes: readonly number[], batches: readonly Int32Array[]) =>
      batches.reduce((sum, batch) => sum + batch.length * Math.max(...Array.from(batch, (row) => sizes[row]!)), 0)
    fc.assert(
      fc.property(lengths, rows, (all, batchRows) => {
        const sizes = all.slice(0, all.length - (all.length % batchRows))
        const order = Int32Array.from(sizes.keys())
        const inOrder = Array.from({ length: Math.ceil(sizes.length / batchRows) }, (_, at) =>
          order.slice(at * batchRows, (at + 1) * batchRows),
        )
        assert.ok(padded(sizes, sortedBatches(sizes, batchRows, order)) <= padded(sizes, inOrder))
      }),
    )
  })

  it('are padded to the longest row: masked, and of type 0', () => {
    const { input_ids, attention_mask, token_type_ids } = tokenFeeds([
      { ids: Int32Array.of(1, 5, 2, 6, 2), second: 3 },
      { ids: Int32Array.of(1, 7, 2), second: 3 },
    ])
    assert.deepEqual(input_ids!.dims, [2, 5])
    assert.deepEqual([...input_ids!.data].map(Number), [1, 5, 2, 6, 2, 1, 7, 2, 0, 0])
    assert.deepEqual([...attention_mask!.data].map(Number), [1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
    assert.deepEqual([...token_type_ids!.data].map(Number), [0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
  })
})
