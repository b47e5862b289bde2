// The cascade: whatever tiers reply, each item ends as exactly one outcome, in input order, by its first sure answer.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { PASS } from '../../src/core/answer.ts'
import type { Ranked, Reply } from '../../src/core/answer.ts'
import { close, fold, next, open } from '../../src/core/cascade.ts'
import type { Cascade } from '../../src/core/cascade.ts'
import { gateMiss } from '../../src/core/gate.ts'
import type { Item, Tier } from '../../src/core/item.ts'
import { answerOf, itemOf, LABELS } from '../fakes/items.ts'

const GATE = { thresholds: [0.75, 0.5] }
const SURE = [0.9, 0.8]
const UNSURE = [0.9, 0.4]
const TIERS: readonly Tier[] = ['exact', 'similar', 'local', 'llm']

function reply(probabilities: readonly number[], tier: Tier = 'local', shortlist: readonly Ranked[] = []): Reply {
  return { kind: 'answer', answer: answerOf(probabilities, { tier }), shortlist }
}

function items(count: number): Item[] {
  return Array.from({ length: count }, (_, index) => itemOf(index))
}

/** Runs the cascade to its end; `said` gives each tier's reply to an item. */
function finish(start: Cascade, said: (tier: Tier, item: Item) => Reply | undefined) {
  const asked: { tier: Tier; items: readonly Item[] }[] = []
  let cascade = start
  for (let ask = next(cascade); ask; ask = next(cascade)) {
    asked.push(ask)
    const { tier } = ask
    cascade = fold(cascade, ask.items.map((item) => said(tier, item)) as Reply[])
  }
  return { asked, outcomes: close(cascade) }
}

describe('the cascade', () => {
  test('no items: nothing is asked and nothing comes out', () => {
    assert.deepEqual(
      finish(open([], TIERS, GATE), () => PASS),
      { asked: [], outcomes: [] },
    )
  })

  test('no tiers: every item goes to the fallback without an answer', () => {
    const { asked, outcomes } = finish(open(items(2), [], GATE), () => PASS)
    assert.deepEqual(asked, [])
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind === 'fallback' && outcome.why.kind),
      ['no-answer', 'no-answer'],
    )
  })

  test('a sure item is not asked about again; when none is left, later tiers are not asked at all', () => {
    const { asked } = finish(open(items(3), ['exact', 'local', 'llm'], GATE), (tier, item) =>
      tier === 'local' || item.entity === 'p1' ? reply(SURE, tier) : PASS,
    )
    assert.deepEqual(
      asked.map(({ tier, items }) => [tier, items.map(({ entity }) => entity)]),
      [
        ['exact', ['p0', 'p1', 'p2']],
        ['local', ['p0', 'p2']],
      ],
    )
  })

  test('the first sure answer wins: a later tier cannot change it', () => {
    const { outcomes } = finish(open(items(1), ['exact', 'local'], GATE), (tier) => reply(SURE, tier))
    assert.equal(outcomes[0]?.kind === 'result' && outcomes[0].answer.tier, 'exact')
  })

  test('an unsure answer goes on with the short list and the reason of the last tier that had one', () => {
    const shortlist = [{ label: LABELS.paths[0]!, probability: 0.4 }]
    const { outcomes } = finish(open(items(1), ['local', 'llm'], GATE), (tier) =>
      tier === 'local' ? reply(UNSURE, tier, shortlist) : PASS,
    )
    assert.deepEqual(outcomes, [
      {
        kind: 'fallback',
        item: itemOf(0),
        best: answerOf(UNSURE, { tier: 'local' }),
        shortlist,
        why: {
          kind: 'below',
          level: 2,
          probability: 0.4,
          threshold: 0.5,
          probabilities: UNSURE,
          thresholds: GATE.thresholds,
        },
      },
    ])
  })

  test('a tier that replies too little passes for the rest; one that replies too much is not believed', () => {
    const start = open(items(3), ['local'], GATE)
    const short = close(fold(start, [reply(SURE)]))
    assert.deepEqual(
      short.map(({ kind }) => kind),
      ['result', 'fallback', 'fallback'],
    )
    const long = close(
      fold(
        start,
        Array.from({ length: 9 }, () => reply(SURE)),
      ),
    )
    assert.deepEqual(
      long.map(({ kind }) => kind),
      ['result', 'result', 'result'],
    )
  })

  test('folding leaves the cascade it was given as it was', () => {
    const start = open(items(2), ['local'], GATE)
    const before = structuredClone(start)
    fold(start, [reply(SURE), PASS])
    assert.deepEqual(start, before)
  })

  const anyProbability = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(Number.NaN))
  const anyReply: fc.Arbitrary<Reply | undefined> = fc.oneof(
    fc.constant(undefined),
    fc.constant(PASS),
    fc.tuple(anyProbability, anyProbability).map((probabilities) => reply(probabilities)),
    fc.constant(reply([])),
  )

  test('for any replies and any order of tiers: one outcome an item, in input order, by the first sure answer', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...TIERS]),
        fc.array(fc.tuple(anyReply, anyReply, anyReply, anyReply), { maxLength: 12 }),
        (order, replies) => {
          const all = items(replies.length)
          const said = (tier: Tier, item: Item) => replies[Number(item.source.offset)]![TIERS.indexOf(tier)]
          const { outcomes } = finish(open(all, order, GATE), (tier, item) => {
            const found = said(tier, item)
            return found?.kind === 'answer' ? { ...found, answer: { ...found.answer, tier } } : found
          })
          assert.deepEqual(
            outcomes.map((outcome) => 'item' in outcome && outcome.item),
            all,
          )
          outcomes.forEach((outcome, index) => {
            const winner = order.find((tier) => {
              const found = said(tier, all[index]!)
              return found?.kind === 'answer' && gateMiss(GATE, found.answer) === undefined
            })
            assert.equal(outcome.kind, winner === undefined ? 'fallback' : 'result')
            if (outcome.kind === 'result') assert.equal(outcome.answer.tier, winner)
          })
        },
      ),
    )
  })
})
