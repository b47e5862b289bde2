// The judge of the fault tests, judged: on records made by hand it finds every kind of fault that is put in, and none
// where there is none. Needs no servers.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ReadRecord } from '../support/log-reader.ts'
import { faults, verifyClassify, verifyFallback } from '../support/verify.ts'
import type { Input, Report } from '../support/verify.ts'

const NONE: Report = { lost: [], doubled: [], ahead: [], outOfOrder: [], foreign: [] }
const ENDS = new Map([
  ['in/0', 4n],
  ['in/1', 4n],
])

/** Two partitions with four records of one item each. */
const inputs: Input[] = [0, 1].flatMap((partition) =>
  [0n, 1n, 2n, 3n].map((offset) => ({ topic: 'in', partition, offset, items: 1 })),
)

/** Outcomes in the order they were written; offsets of the outcome topics are given out here. */
type Written = readonly (readonly [kind: string, item: string, tier?: string])[]

function written(...outcomes: Written): ReadRecord[] {
  const ends = new Map<string, bigint>()
  return outcomes.map(([kind, item, tier]) => {
    const offset = ends.get(kind) ?? 0n
    ends.set(kind, offset + 1n)
    const answered = tier ?? (kind === 'result' ? 'local' : 'none')
    const headers = { 'sluice-task': 't', 'sluice-item': item, 'sluice-outcome': kind, 'sluice-tier': answered }
    return { topic: kind, partition: 0, offset, key: undefined, value: null, headers }
  })
}

const WHOLE: Written = [
  ['result', 'in/0/0/0'],
  ['fallback', 'in/1/0/0'],
  ['result', 'in/0/1/0'],
  ['dead-letter', 'in/1/1/0'],
  ['result', 'in/1/2/0'],
  ['result', 'in/0/2/0'],
  ['fallback', 'in/0/3/0'],
  ['result', 'in/1/3/0'],
]

function classify(outcomes: Written, committed: ReadonlyMap<string, bigint> = ENDS, given = inputs): Report {
  return verifyClassify({ task: 't', inputs: given, outcomes: written(...outcomes), committed })
}

describe('what classify wrote', () => {
  test('is faultless where every item has one outcome, in any order of partitions', () => {
    assert.deepEqual(classify(WHOLE), NONE)
    assert.equal(faults(classify(WHOLE)), undefined)
  })

  test('lacks an outcome: lost, whichever it is', () => {
    for (const [missing, [, item]] of WHOLE.entries())
      assert.deepEqual(classify(WHOLE.toSpliced(missing, 1)), { ...NONE, lost: [item] })
  })

  test('holds an outcome twice: doubled, wherever the second one stands', () => {
    for (const twice of WHOLE)
      for (let where = 0; where <= WHOLE.length; where++) {
        const { doubled, lost, foreign } = classify(WHOLE.toSpliced(where, 0, twice))
        assert.deepEqual([doubled.length, lost, foreign], [1, [], []])
        assert.ok(doubled[0]!.startsWith(`${twice[1]} (`), doubled[0])
      }
  })

  test('holds two outcomes of different kinds for one item: doubled', () => {
    for (const [kind, tier] of [
      ['dead-letter', 'none'],
      ['result', 'local'],
    ] as const)
      assert.equal(classify([...WHOLE, [kind, 'in/1/0/0', tier]]).doubled.length, 1, `fallback and ${kind}`)
    assert.equal(classify([...WHOLE, ['dead-letter', 'in/0/0/0']]).doubled.length, 1, 'result and dead letter')
  })

  test('has two outcomes of one partition the wrong way round: out of order', () => {
    const swapped = WHOLE.with(0, WHOLE[2]!).with(2, WHOLE[0]!)
    const { outOfOrder, ...rest } = classify(swapped)
    assert.equal(outOfOrder.length, 1)
    assert.match(outOfOrder[0]!, /^in\/0\/0\/0 after in\/0\/1\/0/)
    assert.deepEqual(rest, { lost: [], doubled: [], ahead: [], foreign: [] })
  })

  test('goes beyond the committed offset: ahead', () => {
    const committed = new Map([
      ['in/0', 3n],
      ['in/1', 4n],
    ])
    const { ahead } = classify(WHOLE, committed)
    assert.deepEqual(
      ahead.map((it) => it.split(' ')[0]),
      ['in/0/3/0'],
    )
    assert.equal(classify(WHOLE, new Map()).ahead.length, WHOLE.length, 'nothing committed at all')
  })

  test('names something that was never sent: foreign', () => {
    for (const item of ['in/0/9/0', 'in/0/0/1', 'in/7/0/0'])
      assert.equal(classify([...WHOLE, ['result', item]]).foreign.length, 1, item)
  })

  test('covers some items of a record only: lost', () => {
    const query: Input = { topic: 'in', partition: 0, offset: 0n, items: 3 }
    const two: Written = [
      ['result', 'in/0/0/0'],
      ['fallback', 'in/0/0/2'],
    ]
    assert.deepEqual(classify(two, new Map([['in/0', 1n]]), [query]), { ...NONE, lost: ['in/0/0/1'] })
  })

  test('is of another task or topic: not its business', () => {
    assert.deepEqual(classify([...WHOLE, ['dead-letter', 'fallback/0/0/0']]), NONE)
    const outcomes = written(...WHOLE).map((it) => ({ ...it, headers: { ...it.headers, 'sluice-task': 'other' } }))
    const { lost } = verifyClassify({ task: 't', inputs, outcomes, committed: ENDS })
    assert.equal(lost.length, inputs.length)
  })

  test('has no headers of an outcome: said, not skipped', () => {
    const [first] = written(...WHOLE)
    const bare = { ...first!, headers: { 'sluice-task': 't' } }
    assert.throws(() => verifyClassify({ task: 't', inputs, outcomes: [bare], committed: ENDS }), /headers/)
  })
})

describe('what the fallback role wrote', () => {
  const DONE: Written = [...WHOLE, ['result', 'in/1/0/0', 'llm'], ['review', 'in/0/3/0']]
  const done = new Map([['fallback/0', 2n]])
  const label = (item: string) => written(['label', item, 'llm'])[0]!
  const labels = [label('in/1/0/0')]
  const fallback = (outcomes: Written, committed = done, given = labels): Report =>
    verifyFallback({ task: 't', outcomes: written(...outcomes), committed }, given)

  test('is faultless where every item sent has one outcome and every answer of the LLM one label', () => {
    assert.deepEqual(fallback(DONE), NONE)
    assert.deepEqual(classify(DONE), NONE, 'and classify is not blamed for it')
  })

  test('lacks, doubles or runs ahead', () => {
    assert.deepEqual(fallback(DONE.slice(0, -1)).lost, ['in/0/3/0'])
    assert.equal(fallback([...DONE, ['result', 'in/1/0/0', 'exact']]).doubled.length, 1)
    assert.equal(fallback([...DONE, ['review', 'in/1/0/0']]).doubled.length, 1)
    assert.equal(fallback(DONE, new Map([['fallback/0', 1n]])).ahead.length, 1)
  })

  test('is out of order', () => {
    const both: Written = [...WHOLE, ['result', 'in/0/3/0', 'llm'], ['result', 'in/1/0/0', 'llm']]
    const two = [label('in/1/0/0'), label('in/0/3/0')]
    assert.equal(fallback(both, done, two).outOfOrder.length, 1)
  })

  test('counts a dead letter that names the fallback record', () => {
    const refused: Written = [...DONE.slice(0, -1), ['dead-letter', 'fallback/0/1/0']]
    assert.deepEqual(fallback(refused), NONE)
  })

  test('has an answer without a label, a label twice, a label without an answer', () => {
    assert.deepEqual(fallback(DONE, done, []).lost, ['label of in/1/0/0'])
    assert.deepEqual(fallback(DONE, done, [...labels, ...labels]).doubled, ['label of in/1/0/0 (2 times)'])
    assert.deepEqual(fallback(DONE, done, [...labels, label('in/0/3/0')]).foreign, ['label of in/0/3/0'])
  })
})

test('a report names the first offenders of every fault', () => {
  const report = faults(classify([]))!
  assert.match(report, /^lost 8: in\/0\/0\/0, in\/0\/1\/0, .*… 3 more$/)
})
