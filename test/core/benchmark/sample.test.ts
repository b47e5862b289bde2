// The sample: the same for everyone, whatever the order of the file, and rows in the shapes that people have.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { drawSample, sampleDigest, sampleReader } from '../../../src/core/benchmark/sample.ts'
import { parseTemplate } from '../../../src/core/template.ts'
import { itemOf } from '../../support/benchmark.ts'
import { hash, seed, shopTask, taskWith } from '../../support/llm.ts'

const LABELS = ['Food', 'Drinks', 'Toys']
const items = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...LABELS), fc.nat(9_999)), { maxLength: 120, selector: ([, n]) => n })
  .map((pairs) => pairs.map(([label, n]) => itemOf(`${label} ${n}`)))
const plain = { seed: 1, stratified: false }

describe('a sample', () => {
  test('does not depend on the order of the file, nor on how often a text stands in it', (t) => {
    fc.assert(
      fc.property(items, fc.nat(60), fc.nat(), fc.boolean(), (all, size, drawSeed, stratified) => {
        const options = { size, seed: drawSeed, stratified }
        const drawn = drawSample(all, options)
        assert.equal(drawn.length, Math.min(size, all.length))
        assert.deepEqual(drawSample([...all.toReversed(), ...all], options), drawn)
        assert.equal(new Set(drawn.map(({ digest }) => digest)).size, drawn.length)
      }),
      { seed: seed(t) },
    )
  })

  test('that is plain begins with every smaller one', (t) => {
    fc.assert(
      fc.property(items, fc.nat(60), fc.nat(60), (all, a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)]
        const larger = drawSample(all, { size: large, ...plain })
        assert.deepEqual(drawSample(all, { size: small, ...plain }), larger.slice(0, small))
      }),
      { seed: seed(t) },
    )
  })

  test('that is stratified gives each label its share to the nearest whole number', (t) => {
    fc.assert(
      fc.property(items, fc.nat(60), (all, size) => {
        fc.pre(all.length > size)
        const drawn = drawSample(all, { size, seed: 1, stratified: true })
        for (const label of LABELS) {
          const of = (some: typeof all) => some.filter(({ gold }) => gold[0] === label).length
          assert.ok(Math.abs(of(drawn) - (size * of(all)) / all.length) < 1)
        }
      }),
      { seed: seed(t) },
    )
  })

  test('with another seed is another one, and its digest says so', () => {
    const all = Array.from({ length: 60 }, (_, n) => itemOf(`Food ${n}`))
    const [one, other] = [1, 2].map((drawSeed) => drawSample(all, { size: 20, seed: drawSeed, stratified: false }))
    assert.notDeepEqual(one, other)
    assert.notEqual(sampleDigest(one!, hash), sampleDigest(other!, hash))
    assert.match(sampleDigest(one!, hash), /^[0-9a-f]{16}$/)
  })

  test('has another digest where a label differs', () => {
    assert.notEqual(sampleDigest([itemOf('x', ['Food'])], hash), sampleDigest([itemOf('x', ['Toys'])], hash))
  })
})

describe('a row', () => {
  const pairs = {
    ...taskWith([['exact'], ['irrelevant']]),
    each: 'candidates',
    segments: [
      { name: 'query', text: parseTemplate('{query}') },
      { name: 'title', text: parseTemplate('{candidates.brand?} {candidates.title}') },
    ],
  }
  const read = sampleReader(pairs, hash)
  const texts = (row: unknown) => read(row).map((it) => ('bad' in it ? it.bad : [...it.segments, ...it.gold]))

  test('may be an event of the topic, one item an element', () => {
    const candidates = [
      { brand: 'B', title: 'one', label: 'exact' },
      { title: 'two', label: ['irrelevant'] },
      { title: 'three' },
      { label: 'exact' },
      'x',
    ]
    assert.deepEqual(texts({ query: 'q', candidates }), [
      ['q', 'B one', 'exact'],
      ['q', ' two', 'irrelevant'],
      'have no label',
      'have no candidates.title',
      'have no label',
    ])
  })

  test('may be a training row, whose one element is its product', () => {
    assert.deepEqual(texts({ query: 'q', product: { title: 'one' }, label: 'exact' }), [['q', ' one', 'exact']])
  })

  test('of a task without elements is one item', () => {
    const [item] = sampleReader(shopTask(), hash)({ product: 'tea', label: 'Drinks' })
    assert.deepEqual(item, { digest: hash('["tea"]').slice(0, 16), segments: ['tea'], gold: ['Drinks'] })
  })

  for (const { row, bad } of [
    { row: { product: 'tea', label: 'Cars' }, bad: 'have a label that is not in the label set' },
    { row: { product: 'tea', label: 7 }, bad: 'have no label' },
    { row: { label: 'Food' }, bad: 'have no product' },
    { row: { product: '  ', label: 'Food' }, bad: 'have no text' },
    { row: null, bad: 'have no label' },
    { row: 'tea', bad: 'have no label' },
  ])
    test(`${JSON.stringify(row)} is left out: they ${bad}`, () => {
      assert.deepEqual(sampleReader(shopTask(), hash)(row), [{ bad }])
    })
})
