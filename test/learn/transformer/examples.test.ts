import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tree } from '../../../src/core/lexical/tree.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { SluiceError } from '../../../src/core/error.ts'
import { parts, transformerExamples } from '../../../src/learn/transformer/examples.ts'
import { judge } from '../../../src/learn/transformer/judge.ts'
import type { Row } from '../../../src/learn/examples.ts'

const pairRows = (queries: number): Row[] =>
  Array.from({ length: queries * 3 }, (_, at) => ({
    file: at % 2 ? 'a.jsonl' : 'b.jsonl',
    line: at + 1,
    value: {
      query: `query ${at % queries}`,
      product: { title: `title ${at}` },
      label: at % 4 ? 'exact' : 'irrelevant',
    },
  }))

/** One token a query, its number, so that rows can be told apart by their tokens. */
const tokenize = (first: string) => ({ ids: Int32Array.of(Number(first.split(' ')[1])), second: 1 })
const queriesOf = (rows: readonly { readonly ids: Int32Array }[]) => new Set(rows.map(({ ids }) => ids[0]))

describe('rows for fine-tuning', () => {
  it('are split by query: none is both learned from and judged by', async () => {
    const examples = await transformerExamples(pairRows(200))
    const { training, validation, halves } = parts(examples, tokenize, { rowsMax: Infinity, seed: 1 })
    const [learned, held] = [queriesOf(training), queriesOf(validation)]
    assert.equal(training.length + validation.length, 600)
    assert.ok(held.size > 10 && held.size < 30, String(held.size))
    assert.deepEqual(
      [...held].filter((query) => learned.has(query)),
      [],
    )
    const sides = Map.groupBy(validation.keys(), (row) => validation[row]!.ids[0])
    for (const rows of sides.values()) assert.equal(new Set(rows.map((row) => halves[row])).size, 1)
  })

  it('are drawn by seed where there are more than asked for, and all held-back ones stay', async () => {
    const examples = await transformerExamples(pairRows(200))
    const ids = (seed: number) => parts(examples, tokenize, { rowsMax: 50, seed }).training.map((row) => row.ids[0])
    assert.equal(ids(1).length, 50)
    assert.deepEqual(ids(1), ids(1))
    assert.notDeepEqual(ids(1), ids(2))
    assert.equal(
      parts(examples, tokenize, { rowsMax: 50, seed: 1 }).validation.length,
      parts(examples, tokenize, { rowsMax: 1e9, seed: 1 }).validation.length,
    )
  })

  it('of one title only cannot be split: SL502', async () => {
    const rows = ['a', 'b'].map((label, line) => ({ file: 'f', line, value: { title: 'same title', label: [label] } }))
    const examples = await transformerExamples(rows)
    assert.throws(
      () => parts(examples, () => ({ ids: Int32Array.of(1), second: 1 }), { rowsMax: 9, seed: 1 }),
      (error) => error instanceof SluiceError && error.code === 'SL502',
    )
  })
})

describe('the judgement of a fine-tuned model', () => {
  it('counts each level of the most probable path, and takes the threshold that keeps the promise', () => {
    const paths = tree(
      labelSet([
        ['food', 'jam'],
        ['food', 'tea'],
        ['home', 'lamp'],
      ]),
    )
    // 20 sure and right; 20 unsure, right in l1 alone.
    const rows = 40
    const shares = Array.from({ length: rows }, (_, row) => (row < 20 ? [0.9, 0.05, 0.05] : [0.5, 0.4, 0.1])).flat()
    const judged = judge(
      {
        probabilities: Float32Array.from(shares),
        labels: Int32Array.from({ length: rows }, (_, row) => (row < 20 ? 0 : 1)),
        sources: new Int32Array(rows),
        halves: new Uint8Array(rows),
      },
      paths,
      { precision: 0.97, adjusted: false, sources: 2 },
    )
    assert.deepEqual(judged.accuracy, [1, 0.5])
    assert.deepEqual(judged.thresholds, [0.9, 0.9])
    assert.equal(judged.offsets, undefined)
    assert.equal(judged.bySource[0]!.plain.accuracy, 0.5)
    assert.equal(judged.bySource[1]!.plain.rows, 0)
  })
})
