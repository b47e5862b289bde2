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
  it('are words, the first word, word pairs and character grams within words and their boundaries', () => {
    // "ab cd": 2 words, 1 first word, 1 pair, and of each " ab " the grams " ab", "ab ", " ab ".
    assert.equal(bagOf('ab cd').size, 2 + 1 + 1 + 2 * 3)
  })

  it('count repeats', () => {
    const once = bagOf('milk')
    const twice = bagOf('milk, milk')
    const doubled = [...once.keys()].filter((id) => twice.get(id) === 2)
    assert.equal(doubled.length, once.size - 1, 'all but that it comes first')
    assert.equal(twice.size, once.size + 1)
  })

  it('do not cross words', () => {
    const [joined, apart] = [bagOf('green tea'), bagOf('tea green')]
    const shared = [...joined.keys()].filter((id) => apart.has(id))
    assert.equal(shared.length, joined.size - 2, 'all but the pair and the first word')
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

const GOLDEN = [64110, 14487, 56677, 2696, 14966, 29948, 16369, 1567]
