// Known titles found again by their rarer words: how near those with the answer's label lie, and the others.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelSet } from '../../../src/core/labels.ts'
import { nearness, packIndex, titleIndex, unpackIndex } from '../../../src/core/lexical/nearest.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import { random } from '../../../src/core/random.ts'

const tree = treeOf(
  labelSet([
    ['drinks', 'juice'],
    ['drinks', 'tea'],
    ['home', 'lamps'],
  ]),
)
const [JUICE, TEA, LAMPS] = [0, 1, 2]
const TITLES: [string, number][] = [
  ['sencha uji first flush', TEA],
  ['assam broken leaf', TEA],
  ['uji matcha lemonade', JUICE],
  ['brass banker lamp', LAMPS],
]
const index = titleIndex(
  TITLES.map(([title]) => [title]),
  TITLES.map(([, path]) => path),
)!
const near = nearness(index, tree)
const of = (title: string, path: number) => [...near([title], path)]

describe('nearness', () => {
  it('is one for a title that is known with the answer’s label, and less one with another', () => {
    assert.deepEqual(of('brass banker lamp', LAMPS), [1, 1])
    assert.deepEqual(of('brass banker lamp', TEA), [-1, -1])
  })

  it('is told apart by level: a title with the same shelf and another leaf speaks for the shelf alone', () => {
    const [l1, leaf] = of('assam broken leaf', JUICE)
    assert.deepEqual([l1, leaf], [1, -1])
  })

  it('weighs the nearest of both sides against each other, by their words’ rarity', () => {
    const [, tea] = of('sencha uji', TEA)
    const [, juice] = of('sencha uji', JUICE)
    assert.ok(tea! > 0.2 && tea! < 1, String(tea))
    assert.ok(Math.abs(tea! + juice!) < 1e-6)
  })

  it('is nothing for a title that shares no word with those known, and for one without words', () => {
    assert.deepEqual(of('garden hose', TEA), [0, 0])
    assert.deepEqual(of('', TEA), [0, 0])
    assert.deepEqual(of('uji', JUICE).length, 2)
  })

  it('is the same whatever was asked before', () => {
    const first = of('uji first flush', TEA)
    for (const [title, path] of TITLES) of(title, path)
    assert.deepEqual(of('uji first flush', TEA), first)
  })

  it('asks no word that is in more than a hundredth of many titles', () => {
    const next = random(1)
    const texts = Array.from({ length: 2000 }, (_, row) => [`value w${row} ${next() < 0.5 ? 'new' : 'old'}`])
    const many = titleIndex(texts, new Int32Array(texts.length))!
    const asked = nearness(many, tree)
    assert.deepEqual([...asked(['value new thing'], JUICE)], [0, 0])
    assert.ok(asked(['value w7 thing'], JUICE)[1]! > 0.3)
    assert.ok(many.rows.length < 4 * texts.length)
  })
})

describe('an index in a file', () => {
  const bytes = packIndex(index)

  it('comes back as it was, wherever the bytes lie', () => {
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    for (const read of [unpackIndex(bytes, tree.paths), unpackIndex(moved.subarray(3), tree.paths)])
      assert.deepEqual(read, index)
  })

  it('holds more titles than two bytes count', () => {
    const texts = Array.from({ length: 70_000 }, (_, row) => [`w${row}`])
    const large = titleIndex(texts, new Int32Array(texts.length))!
    assert.deepEqual(unpackIndex(packIndex(large), tree.paths), large)
  })

  it('is not made where it would take more bytes than there are for it', () => {
    const texts = TITLES.map(([title]) => [title])
    const paths = TITLES.map(([, path]) => path)
    assert.deepEqual(titleIndex(texts, paths, bytes.length), index)
    assert.equal(titleIndex(texts, paths, bytes.length - 1), undefined)
    assert.equal(titleIndex(texts, paths, 0), undefined)
  })

  const damaged: [string, (copy: Uint8Array) => Uint8Array, number?][] = [
    ['nothing', () => new Uint8Array()],
    ['an end missing', (copy) => copy.subarray(0, -1)],
    ['another magic', (copy) => ((copy[0]! ^= 1), copy)],
    ['a start that falls', (copy) => (new DataView(copy.buffer).setUint32(12, 99, true), copy)],
    ['a title that is not there', (copy) => ((copy[copy.length - 1] = 255), copy)],
    ['a path that is not there', (copy) => copy, 2],
  ]
  for (const [name, change, paths = tree.paths] of damaged)
    it(`is none with ${name}`, () => assert.equal(unpackIndex(change(bytes.slice()), paths), undefined))
})
