import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { pairEncoder, pairFeeds } from '../../../src/core/pair/encode.ts'
import { FEATURES } from '../../../src/core/pair/features.ts'
import { packLexicon, unpackLexicon } from '../../../src/core/pair/lexicon.ts'
import { SPARSE_BUCKETS, SPARSE_MAX } from '../../../src/core/pair/sparse.ts'
import { STYLE, STYLE_BUCKETS, style } from '../../../src/core/pair/style.ts'
import { buildTables } from '../../../src/core/pair/tables.ts'
import { hash32 } from '../../../src/core/random.ts'
import { words } from '../../../src/core/pair/words.ts'
import type { Lexicon } from '../../../src/core/pair/encode.ts'

const TITLES = ['makita drill 18v', 'bosch drill 12v', 'makita saw', 'garden hose 50 ft', 'battery for makita drill']

const lexicon: Lexicon = {
  tables: buildTables(TITLES.map(words)),
  vectors: {
    size: 2,
    rows: new Map(['drill', 'saw'].map((word, row) => [hash32(word), row])),
    bytes: new Int8Array([127, 0, 90, 90]),
  },
}

const encode = pairEncoder(lexicon)
const feature = (query: string, title: string, name: string, description = '') =>
  encode([[query, title, description]]).dense[FEATURES.indexOf(name)]!

describe('the features of a pair', () => {
  it('have one name each', () => {
    assert.equal(new Set(FEATURES).size, FEATURES.length)
    assert.equal(encode([['a b', 'c d', '']]).dense.length, FEATURES.length)
  })

  it('tell coverage by rarity, so that a missed rare word costs more', () => {
    const missesRare = feature('drill hose', 'makita drill', 'coveredRarity')
    const missesCommon = feature('drill hose', 'garden hose', 'coveredRarity')
    assert.ok(missesRare < missesCommon)
  })

  it('tell numbers that clash from numbers that are not there', () => {
    assert.equal(feature('drill 18v', 'bosch drill 12v', 'numbersClash'), 1)
    assert.equal(feature('drill 18v', 'bosch drill', 'numbersClash'), 0)
    assert.equal(feature('drill 18v', 'bosch drill', 'numbersMissed'), 1)
    assert.equal(feature('drill 18v', 'makita drill 18v', 'numbersAgree'), 1)
  })

  it('tell an accessory for the thing from the thing', () => {
    assert.equal(feature('makita drill', 'battery for makita drill', 'matchedAfterFor'), 1)
    assert.equal(feature('makita drill', 'battery for makita drill', 'queryHeadIsTextHead'), 0)
    assert.equal(feature('makita drill', 'makita drill 18v', 'queryHeadIsTextHead'), 1)
  })

  it('find in the description what the title leaves out', () => {
    assert.equal(feature('drill case', 'makita drill', 'missedInDescription', 'comes with a case'), 1)
    assert.equal(feature('drill case', 'makita drill', 'missedInDescription', ''), 0)
  })

  it('take the meaning of words from their vectors', () => {
    const near = feature('saw', 'bosch drill', 'textsAlike')
    assert.ok(near > 0.6 && near < 0.8)
    assert.equal(feature('hose', 'bosch drill', 'textsAlike'), -2)
  })

  it('are finite and their ids in range for any texts', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(text, text, text, (query, title, description) => {
        const pairs = encode([[query, title, description]])
        assert.ok(pairs.dense.every((value) => Number.isFinite(value)))
        assert.ok(pairs.style.every((value) => Number.isFinite(value)))
        assert.ok(pairs.crossed.ids.every((id) => id >= 0 && id < SPARSE_BUCKETS))
        assert.ok(pairs.crossed.ids.length <= SPARSE_MAX)
        assert.ok(pairs.styled.ids.every((id) => id >= 0 && id < STYLE_BUCKETS))
      }),
    )
  })

  it('do not depend on the other pairs of a batch', () => {
    const pairs = TITLES.map((title) => ['makita drill 18v', title, ''])
    const together = encode(pairs)
    for (const [row, texts] of pairs.entries()) {
      const alone = encode([texts])
      assert.deepEqual(alone.dense, together.dense.slice(row * FEATURES.length, (row + 1) * FEATURES.length))
      assert.deepEqual(alone.style, together.style.slice(row * STYLE.length, (row + 1) * STYLE.length))
      for (const side of ['crossed', 'styled'] as const) {
        const { starts, ids } = together[side]
        assert.deepEqual(alone[side].ids, ids.slice(starts[row]!, starts[row + 1]!))
      }
    }
    const { ids } = pairFeeds(together)
    assert.deepEqual(ids.dims, [pairs.length, ids.data.length / pairs.length])
    assert.equal(ids.data.filter((id) => id > 0).length, together.crossed.ids.length)
  })

  it('tell how the shop writes, and of the query only how long it is', () => {
    const counted = (title: string, name: (typeof STYLE)[number], description = '') =>
      style('', title, description)[STYLE.indexOf(name)]
    assert.equal(counted('hose 50 ft. x 5/8 in. (2-pack)', 'titleAbbreviatedUnits'), 2)
    assert.equal(counted('hose 50 ft. x 5/8 in. (2-pack)', 'titleBrackets'), 1)
    assert.equal(counted('hose', 'descriptionBangs', 'new! best!'), 2)
    assert.equal(counted('makita makita drill', 'titleOpensAgainSoon'), 1)
    assert.equal(counted('makita drill with bit, saw and charger by makita', 'titleOpensAgainSoon'), 0)
    assert.equal(counted('makita drill with bit, saw and charger by makita', 'titleOpensAgain'), 1)
    assert.equal(counted('saw, bit and saw and bit', 'titleRepeats'), 3)
    assert.equal(counted('makita drill 18v', 'descriptionOpensAsTitle', 'makita makes it'), 1)
    assert.equal(counted('makita drill', 'titleInDescription', 'a drill, 18 volts'), 0.5)
    assert.equal(counted('makita drill', 'titleInDescription'), -1)
    const [one, other] = ['drill', 'chair'].map((query) => encode([[query, TITLES[0]!, '']]))
    assert.deepEqual(one!.style, other!.style)
    assert.deepEqual(one!.styled, other!.styled)
  })
})

describe('a lexicon as bytes', () => {
  it('comes back as it was', () => {
    const read = unpackLexicon(packLexicon(lexicon))!
    assert.deepEqual(read.tables, lexicon.tables)
    assert.deepEqual([...read.vectors.rows], [...lexicon.vectors.rows])
    assert.deepEqual(read.vectors.bytes, lexicon.vectors.bytes)
  })

  it('is refused when a byte is missing or it is something else', () => {
    const bytes = packLexicon(lexicon)
    assert.equal(unpackLexicon(bytes.subarray(1)), undefined)
    assert.equal(unpackLexicon(bytes.subarray(0, bytes.length - 1)), undefined)
    assert.equal(unpackLexicon(new Uint8Array(3)), undefined)
  })
})
