// Taking records apart: every record gives at least one item or dead letter, and a bad element refuses itself only.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { intake } from '../../src/core/intake.ts'
import type { Item } from '../../src/core/item.ts'
import type { DeadLetter } from '../../src/core/outcome.ts'
import type { Task } from '../../src/core/task.ts'
import { pairTask, plainHash, sourceOf, taskOf } from '../fakes/items.ts'

const LIMITS = { items_per_record_max: 5, segment_chars_max: 20 }
const QUERY = { id: 'q1', query: 'red lamp' }
const candidate = (id: number) => ({ id: `c${id}`, title: `lamp ${id}` })
const take = (task: Task, value: unknown) => intake(task, sourceOf(7), value, plainHash, LIMITS)
const isLetter = (it: Item | DeadLetter): it is DeadLetter => 'kind' in it
const reasons = (taken: readonly (Item | DeadLetter)[]) => taken.map((it) => (isLetter(it) ? it.reason : 'item'))

describe('a record that is one item', () => {
  test('becomes the item, named by its coordinates', () => {
    assert.deepEqual(take(taskOf(), { id: 'p1', title: 'Red Lamp' }), [
      {
        id: 'products/0/7/0',
        task: 'shop',
        entity: 'p1',
        segments: ['Red Lamp'],
        textHash: 'red lamp',
        source: sourceOf(7),
      },
    ])
  })

  const refused: { what: string; value: unknown; reason: string; detail: string }[] = [
    { what: 'no title', value: { id: 'p1' }, reason: 'missing-field', detail: 'title' },
    { what: 'a title that is no text', value: { id: 'p1', title: {} }, reason: 'missing-field', detail: 'title' },
    { what: 'a title of white space', value: { id: 'p1', title: '  ' }, reason: 'empty-text', detail: '' },
    { what: 'no id', value: { title: 'x' }, reason: 'missing-field', detail: 'id' },
    { what: 'an id that is a truth value', value: { id: true, title: 'x' }, reason: 'missing-field', detail: 'id' },
    { what: 'null', value: null, reason: 'missing-field', detail: 'id' },
    { what: 'a number', value: 7, reason: 'missing-field', detail: 'id' },
    {
      what: 'an id that no record key should be',
      value: { id: 'x'.repeat(1_001), title: 'x' },
      reason: 'long-entity',
      detail: '1001 characters',
    },
  ]
  for (const { what, value, reason, detail } of refused)
    test(`${what}: refused as ${reason}`, () => {
      assert.deepEqual(take(taskOf(), value), [
        { kind: 'dead-letter', task: 'shop', source: sourceOf(7), index: 0, reason, detail },
      ])
    })

  test('a long text is cut, not refused', () => {
    const [item] = take(taskOf(), { id: 'p1', title: 'x'.repeat(1_000_000) })
    assert.equal((item as Item).segments[0]?.length, LIMITS.segment_chars_max)
  })
})

describe('a record of many items', () => {
  test('gives one item an element, numbered by position, with the fields around it', () => {
    const taken = take(pairTask(), { ...QUERY, candidates: [candidate(1), { ...candidate(2), brand: 'X' }] }) as Item[]
    assert.deepEqual(
      taken.map(({ id, entity, segments }) => ({ id, entity, segments })),
      [
        { id: 'products/0/7/0', entity: 'q1/c1', segments: ['red lamp', 'lamp 1', ''] },
        { id: 'products/0/7/1', entity: 'q1/c2', segments: ['red lamp', 'lamp 2', 'X'] },
      ],
    )
  })

  test('a bad element refuses itself, with its position; its neighbours are items', () => {
    const taken = take(pairTask(), { ...QUERY, candidates: [candidate(1), null, { id: 'c3' }, candidate(4)] })
    assert.deepEqual(reasons(taken), ['item', 'missing-field', 'missing-field', 'item'])
    assert.deepEqual(
      taken.map((it) => (isLetter(it) ? it.index : Number(it.id.split('/')[3]))),
      [0, 1, 2, 3],
    )
  })

  test('no elements, no array and too many are each one dead letter', () => {
    assert.deepEqual(reasons(take(pairTask(), { ...QUERY, candidates: [] })), ['no-items'])
    assert.deepEqual(reasons(take(pairTask(), QUERY)), ['missing-field'])
    assert.deepEqual(reasons(take(pairTask(), { ...QUERY, candidates: 'many' })), ['missing-field'])
    assert.deepEqual(reasons(take(pairTask(), null)), ['missing-field'])
    const many = Array.from({ length: 6 }, (_, index) => candidate(index))
    assert.deepEqual(reasons(take(pairTask(), { ...QUERY, candidates: many })), ['too-many-items'])
  })

  test('an element cannot stand in for the fields around it', () => {
    const [letter] = take(pairTask(), { id: 'q1', candidates: [{ ...candidate(1), query: 'mine' }] })
    assert.deepEqual(reasons([letter!]), ['missing-field'])
  })
})

describe('any record', () => {
  const element = fc.oneof(
    fc.record({ id: fc.oneof(fc.string(), fc.integer()), title: fc.oneof(fc.string(), fc.anything()) }),
    fc.anything(),
  )
  const anyRecord = fc.oneof(
    fc.anything(),
    fc.record({ id: fc.string(), title: fc.string() }, { requiredKeys: [] }),
    fc.record({ id: fc.string(), query: fc.string(), candidates: fc.array(element, { maxLength: 7 }) }),
  )

  test('gives at least one item or dead letter, each with its own position, and never throws', () => {
    fc.assert(
      fc.property(anyRecord, fc.boolean(), (record, pairs) => {
        const task = pairs ? pairTask() : taskOf()
        const taken = take(task, record)
        assert.ok(taken.length >= 1 && taken.length <= LIMITS.items_per_record_max)
        taken.forEach((it, index) => {
          assert.deepEqual(it.source, sourceOf(7))
          assert.equal(it.task, task.name)
          if (isLetter(it)) return assert.equal(it.index, index)
          assert.equal(it.id, `products/0/7/${index}`)
          assert.equal(it.segments.length, task.segments.length)
          assert.ok(it.segments.every((segment) => segment.length <= LIMITS.segment_chars_max))
          assert.ok(it.entity !== '' && it.textHash !== '')
        })
      }),
    )
  })

  test('what one element holds does not change what its neighbours become', () => {
    fc.assert(
      fc.property(fc.array(fc.anything(), { maxLength: 3 }), (others) => {
        const taken = take(pairTask(), { ...QUERY, candidates: [candidate(1), ...others] })
        assert.equal((taken[0] as Item).entity, 'q1/c1')
      }),
    )
  })
})
