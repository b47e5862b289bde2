// The check of a reply: only exact answers pass, and nothing makes it throw.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { checkReply, FAULTS } from '../../../src/core/llm/check.ts'
import { replyText } from '../../fakes/llm.ts'
import { seed } from '../../support/llm.ts'

const IDS = ['1', '2', '3']
const LABELS = new Set(['Food > Rice', 'Drinks > Tea', 'none_of_these'])
const expected = { ids: IDS, labels: LABELS, replyChars_max: 5_000 }
const check = (text: string) => checkReply(text, expected)
const good = IDS.map((id) => ({ id, label: 'Food > Rice' }))

/** The checked answers as plain values: the label, or `!` and the fault. */
function told(text: string): Record<string, string> | string {
  const checked = check(text)
  if (!checked.ok) return checked.fault
  return Object.fromEntries([...checked.answers].map(([id, a]) => [id, 'label' in a ? a.label : `!${a.fault}`]))
}

describe('a reply', () => {
  test('that is whole and right is accepted, in any order and with any whitespace that JSON allows', () => {
    const all = { '1': 'Food > Rice', '2': 'Food > Rice', '3': 'Food > Rice' }
    assert.deepEqual(told(replyText(good)), all)
    assert.deepEqual(told(replyText(good.toReversed())), all)
    assert.deepEqual(told(`\n ${JSON.stringify({ answers: good }, undefined, 2)}\t\r\n`), all)
    assert.deepEqual(told('{"answers":[{"label":"Drinks > Tea","id":"1"}]}'), {
      '1': 'Drinks > Tea',
      '2': '!missing',
      '3': '!missing',
    })
  })

  test('that lacks an item, doubles one, or gives it another label than those on offer loses that item only', () => {
    assert.deepEqual(told(replyText(good.slice(1))), { '1': '!missing', '2': 'Food > Rice', '3': 'Food > Rice' })
    assert.deepEqual(told(replyText([...good, good[0]!])), {
      '1': '!duplicate',
      '2': 'Food > Rice',
      '3': 'Food > Rice',
    })
    assert.deepEqual(told(replyText([{ id: '1', label: 'Cars' }, ...good.slice(1)])), {
      '1': '!not-a-label',
      '2': 'Food > Rice',
      '3': 'Food > Rice',
    })
  })

  test('with foreign ids loses them; where ids are missing as well it may have shifted, and is refused whole', () => {
    assert.deepEqual(told(replyText([...good, { id: '9', label: 'Food > Rice' }])), {
      '1': 'Food > Rice',
      '2': 'Food > Rice',
      '3': 'Food > Rice',
    })
    const shifted = good.map(({ label }, index) => ({ id: String(index + 2), label }))
    assert.equal(told(replyText(shifted)), 'foreign-ids')
  })

  for (const label of [
    'Food > Rice ',
    ' Food > Rice',
    'food > rice',
    'Food>Rice',
    'Fооd > Rice', // Cyrillic о
    'Food\u00a0> Rice',
    'Food > Rice\u200b',
    'Food > Rice\u0000',
    'Food',
    '__proto__',
    'constructor',
    '',
  ])
    test(`with the label ${JSON.stringify(label)} is not trimmed, folded or guessed at`, () => {
      assert.deepEqual(told(replyText([{ id: '1', label }, ...good.slice(1)])), {
        '1': '!not-a-label',
        '2': 'Food > Rice',
        '3': 'Food > Rice',
      })
    })

  const one = '{"id":"1","label":"Food > Rice"}'
  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    `[${one}]`,
    one,
    '```json\n{"answers":[]}\n```',
    `Sure! {"answers":[${one}]}`,
    `{"answers":[${one}]} trailing`,
    `{"answers":[${one}]}{"answers":[${one}]}`,
    `{"answers":[${one}],"answers":[${one}]}`,
    `{"answers":[${one}],"note":"x"}`,
    `{"answers":[${one},]}`,
    `{"answers":[${one}]`,
    '{"answers":[{"id":"1","label":"Cars","label":"Food > Rice"}]}',
    '{"answers":[{"id":"1","id":"2","label":"Food > Rice"}]}',
    '{"answers":[{"\\u0069d":"1","id":"1"}]}',
    '{"answers":[{"id":1,"label":"Food > Rice"}]}',
    '{"answers":[{"id":1e999,"label":"Food > Rice"}]}',
    '{"answers":[{"id":9007199254740993,"label":"Food > Rice"}]}',
    '{"answers":[{"id":"1","label":null}]}',
    '{"answers":[{"id":"1","label":["Food > Rice"]}]}',
    '{"answers":[{"id":"1","label":"Food > Rice","why":"x"}]}',
    '{"answers":[{"id":"1"}]}',
    '{"answers":{"id":"1","label":"Food > Rice"}}',
    '{"__proto__":[],"answers":[]}',
    "{'answers':[]}",
    '\ufeff{"answers":[]}',
    `{"answers":[${'\u0000'}]}`,
    '{"answers":[{"id":"1","label":"Food\n> Rice"}]}',
    '['.repeat(4_000),
    `{"answers":${'['.repeat(4_000)}`,
    `{"answers":[{"id":"${'\\'.repeat(4_000)}`,
  ])
    test(`of ${JSON.stringify(text.slice(0, 60))} is refused whole`, () => assert.equal(told(text), 'malformed'))

  test('that is too long is not even read', () => {
    assert.equal(told(`${replyText(good)}${' '.repeat(5_000)}`), 'too-long')
    assert.equal(told('['.repeat(50_000_000)), 'too-long')
  })

  test('keys written with escapes are the keys they spell', () => {
    assert.deepEqual(told('{"answers":[{"\\u0069d":"1","label":"Food \\u003e Rice"}]}'), {
      '1': 'Food > Rice',
      '2': '!missing',
      '3': '!missing',
    })
  })

  test('whatever it is, brings one verdict an id or none at all, and only labels on offer', (t) => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.json(),
      mutated(replyText(good)),
      fc.array(fc.record({ id: fc.constantFrom('1', '2', '3', '4'), label: fc.string() })).map(replyText),
    )
    fc.assert(
      fc.property(text, (reply) => {
        const checked = check(reply)
        if (!checked.ok) return assert.ok(Object.hasOwn(FAULTS, checked.fault))
        assert.deepEqual([...checked.answers.keys()].toSorted(), IDS)
        const parsed = JSON.parse(reply) as { answers: { id: string; label: string }[] }
        for (const [id, answer] of checked.answers) {
          if (!('label' in answer)) continue
          assert.ok(LABELS.has(answer.label))
          assert.deepEqual(
            parsed.answers.filter((one) => one.id === id),
            [{ id, label: answer.label }],
          )
        }
      }),
      { numRuns: 5_000, seed: seed(t) },
    )
  })
})

/** The text with a few characters taken out, put in or swapped. */
function mutated(text: string): fc.Arbitrary<string> {
  const edit = fc.tuple(fc.nat(text.length), fc.nat(2), fc.constantFrom(...'{}[]",:\\ 12ae\u0000'))
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => {
    let result = text
    for (const [at, remove, put] of edits) result = result.slice(0, at) + put + result.slice(at + remove)
    return result
  })
}
