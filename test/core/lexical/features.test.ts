import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { DEFAULT_FEATURES, extractor } from '../../../src/core/lexical/features.ts'

const extract = extractor(DEFAULT_FEATURES)
const bagOf = (...segments: string[]) => {
  const { ids, counts, size } = extract(segments)
  return new Map(Array.from({ length: size }, (_, j) => [ids[j]!, counts[j]!]))
}

describe('lexical features', () => {
  it('are words, the first word, word pairs, places and character grams within words and their boundaries', () => {
    // "ab cd": 2 words, 1 first word, 1 pair, 2 places, and of each " ab " the grams " ab", "ab ", " ab ".
    assert.equal(bagOf('ab cd').size, 2 + 1 + 1 + 2 + 2 * 3)
  })

  it('have places for the first three words only, and for none where the settings have none', () => {
    const sizes = ['a', 'a b', 'a b c', 'a b c d'].map((text) => bagOf(text).size)
    const gained = sizes.slice(1).map((size, at) => size - sizes[at]!)
    assert.deepEqual(gained, [4, 4, 3], 'a word, a pair, a gram " x ", a place')
    const { places: _, ...before } = DEFAULT_FEATURES
    assert.equal(extractor(before)(['a b c d']).size, sizes[3]! - 3)
  })

  it('count repeats', () => {
    const once = bagOf('milk')
    const twice = bagOf('milk, milk')
    const doubled = [...once.keys()].filter((id) => twice.get(id) === 2)
    assert.equal(doubled.length, once.size - 2, 'all but that it comes first, and its place')
    assert.equal(twice.size, once.size + 2, 'the pair and the second place')
  })

  it('do not cross words', () => {
    const [joined, apart] = [bagOf('green tea'), bagOf('tea green')]
    const shared = [...joined.keys()].filter((id) => apart.has(id))
    assert.equal(shared.length, joined.size - 4, 'all but the pair, the first word and the places')
  })

  it('are hashed apart for each segment', () => {
    const title = bagOf('nivea')
    assert.deepEqual(
      [...bagOf('', 'nivea').keys()].filter((id) => title.has(id)),
      [],
    )
  })

  it('ignore what stands between words', () => assert.deepEqual(bagOf('a-b (c)'), bagOf('a b c')))

  it('are the same on every machine', () => {
    assert.deepEqual([...bagOf('ñu 茶').keys()], GOLDEN)
  })

  it('of nothing are none', () => assert.equal(bagOf('', ' - ').size, 0))

  it('stay within the buckets and the limit, whatever the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { maxLength: 3 }), (segments) => {
        const { ids, counts, size } = extract(segments)
        assert.ok(size <= DEFAULT_FEATURES.featuresMax)
        const kept = ids.slice(0, size)
        assert.ok(kept.every((id) => id >= 0 && id < DEFAULT_FEATURES.buckets))
        assert.equal(new Set(kept).size, size)
        assert.ok(counts.slice(0, size).every((count) => count >= 1))
      }),
    )
  })

  it('refuse a number of buckets that is no power of two', () => {
    assert.throws(() => extractor({ ...DEFAULT_FEATURES, buckets: 1000 }), RangeError)
  })
})

const GOLDEN = [64110, 14487, 56677, 2696, 14966, 27320, 29948, 16369, 1567, 9499]
