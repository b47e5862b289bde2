// Texts nearly the same: what counts as nearly, what is found, what may not be mixed up.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { random } from '../../../src/core/random.ts'
import { grams, jaccard } from '../../../src/core/similar/grams.ts'
import { bandHasher } from '../../../src/core/similar/minhash.ts'
import { neighbours } from '../../../src/core/similar/neighbours.ts'
import { signature, similarity } from '../../../src/core/similar/signature.ts'
import { verdict } from '../../../src/core/similar/verdict.ts'
import { NORMALISED_LENGTH_MAX } from '../../../src/core/text/normalise.ts'

const text = fc.string({ unit: fc.constantFrom(...'abcde 0123-.äß中🧀'), maxLength: 60 })
const one = (of: string) => signature([of], 'together')

describe('trigrams', () => {
  // What PostgreSQL 15 says: SELECT similarity(a, b), to two places.
  const TABLE = [
    ['word', 'two words', 0.36],
    ['cat', 'cat', 1],
    ['cat', 'dog', 0],
    ['red apple 1kg', 'red apples 1kg', 0.81],
    ['usb-c cable', 'usb c cable', 1],
    ['a', 'a b', 0.5],
  ] as const
  for (const [a, b, expected] of TABLE)
    test(`"${a}" and "${b}" are ${expected} similar, as in pg_trgm`, () => {
      assert.equal(Math.round(jaccard(grams(a), grams(b)) * 100) / 100, expected)
    })

  test('are distinct and ascending, whatever the text', () => {
    fc.assert(
      fc.property(text, (of) => {
        const found = grams(of)
        for (let at = 1; at < found.length; at++) assert.ok(found[at]! > found[at - 1]!)
      }),
    )
  })

  test('similarity is symmetric, 1 of a text to itself, and never outside 0 to 1', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [x, y] = [grams(a), grams(b)]
        assert.equal(jaccard(x, y), jaccard(y, x))
        assert.equal(jaccard(x, x), x.length === 0 ? 0 : 1)
        assert.ok(jaccard(x, y) >= 0 && jaccard(x, y) <= 1)
      }),
    )
  })

  test('the end of a segment of the longest kind counts; beyond the bound nothing does', () => {
    const longest = Array.from({ length: NORMALISED_LENGTH_MAX / 10 }, (_, at) => `word${10_000 + at}`).join(' ')
    assert.ok(jaccard(grams(longest), grams(`${longest.slice(0, -1)}x`)) < 1)
    const endless = 'abcdefghij '.repeat(10_000)
    assert.deepEqual(grams(endless), grams(`${endless} and more`))
  })
})

describe('a signature', () => {
  test('of each segment: a short query that differs is not drowned by a long title that does not', () => {
    const title = 'acme stainless steel kitchen knife set with wooden block and sharpener'
    const pair = (query: string) => signature([query, title], 'each')
    assert.equal(similarity(pair('knife'), pair('knife')), 1)
    assert.ok(similarity(pair('knife'), pair('block')) < 0.2)
    const joined = (query: string) => signature([query, title], 'together')
    assert.ok(similarity(joined('knife'), joined('block')) > 0.8)
  })

  test('segments that are empty on both sides are alike; on one side they are not', () => {
    assert.equal(similarity(signature(['milk', ''], 'each'), signature(['milk', ''], 'each')), 1)
    assert.equal(similarity(signature(['milk', 'acme'], 'each'), signature(['milk', ''], 'each')), 0)
  })
})

describe('a text without a word', () => {
  test('is similar to nothing, not even to another such text', () => {
    for (const compare of ['together', 'each'] as const) {
      assert.equal(similarity(signature(['★★★', ''], compare), signature(['☂', ''], compare)), 0)
      assert.equal(similarity(signature(['★★★', ''], compare), signature(['milk', ''], compare)), 0)
    }
  })
})

describe('MinHash bands', () => {
  test('are shared with about the probability that banding promises', () => {
    const next = random(1)
    const hasher = bandHasher({ bands: 4, rows: 3 })
    const draw = () => (next() * 2 ** 32) | 0
    let [met, expected] = [0, 0]
    const PAIRS = 2_000
    for (let pair = 0; pair < PAIRS; pair++) {
      const shared = Array.from({ length: 30 }, draw)
      const [a, b] = [0, 1].map(() => Int32Array.from([...shared, ...Array.from({ length: 10 }, draw)]).sort())
      const bands = hasher(a!).slice()
      if (hasher(b!).some((hash, band) => hash === bands[band])) met++
      expected += 1 - (1 - jaccard(a!, b!) ** 3) ** 4
    }
    // Four standard deviations of a binomial share.
    const share = expected / PAIRS
    assert.ok(Math.abs(met / PAIRS - share) < 4 * Math.sqrt((share * (1 - share)) / PAIRS), `${met} of ${PAIRS}`)
  })
})

describe('neighbours', () => {
  const OPTIONS = { bands: 16, rows: 5, entries_max: 100, bytes_max: 1_000_000 }

  test('a text that was added is found by itself, with similarity 1, first', () => {
    fc.assert(
      fc.property(fc.uniqueArray(text, { minLength: 1, maxLength: 30 }), (texts) => {
        const known = neighbours<string>(OPTIONS)
        for (const of of texts) known.add(of, one(of), of)
        for (const of of texts) {
          if (grams(of).length === 0) continue
          assert.equal(known.find(one(of), 0.8)[0]?.similarity, 1)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('everything found is at least as similar as was asked, most similar first', () => {
    const known = neighbours<string>(OPTIONS)
    const titles = ['acme green tea 100 bags', 'acme green tea 50 bags', 'acme green tea bags', 'garden hose 20 m']
    for (const title of titles) known.add(title, one(title), title)
    const found = known.find(one('acme green tea 100 bags'), 0.6)
    assert.deepEqual(
      found.map(({ value }) => value),
      ['acme green tea 100 bags', 'acme green tea bags', 'acme green tea 50 bags'],
    )
    assert.ok(found.every((it, at) => at === 0 || it.similarity <= found[at - 1]!.similarity))
  })

  test('the oldest text makes room, and what took its place is not taken for it', () => {
    const known = neighbours<number>({ ...OPTIONS, entries_max: 3 })
    for (let number = 0; number < 10; number++)
      known.add(`${number}`, one(`${'abcdefghij'[number]!.repeat(3)} text`), number)
    assert.deepEqual(known.find(one('aaa text'), 0.9), [])
    assert.equal(known.find(one('jjj text'), 0.9)[0]?.value, 9)
  })

  test('whatever is added in whatever order: both bounds hold, the newest of each text is held as long as there is room', () => {
    const id = fc.integer({ min: 0, max: 12 })
    fc.assert(
      fc.property(fc.array(id, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (ids, entries_max) => {
        const of = (number: number) => one(`${'abcdefghijklm'[number]!.repeat(3)} text`)
        const room = 5 * of(0).bytes
        const known = neighbours<number>({ ...OPTIONS, entries_max, bytes_max: room })
        ids.forEach((number, round) => known.add(`${number}`, of(number), round))
        const newest = new Map(ids.map((number, round) => [number, round]))
        const held = [...newest].filter(([number]) => known.get(`${number}`) !== undefined)
        assert.ok(held.length <= Math.min(entries_max, 5))
        for (const [number, round] of held) {
          assert.equal(known.get(`${number}`), round)
          assert.deepEqual(
            known.find(of(number), 0.99).map(({ value }) => value),
            [round],
          )
        }
        const last = ids.at(-1)
        if (last !== undefined) assert.equal(known.get(`${last}`), ids.length - 1)
      }),
      { numRuns: 100 },
    )
  })

  test('a text that is more than all bytes is not held', () => {
    const known = neighbours<number>({ ...OPTIONS, bytes_max: 2_000 })
    known.add('short', one('short text'), 1)
    known.add('long', one('long text '.repeat(200)), 2)
    assert.deepEqual([known.get('short'), known.get('long')], [1, undefined])
  })
})

describe('the verdict', () => {
  const near = (value: string, of: string, measured: number) => ({ value, signature: one(of), similarity: measured })
  const same = (a: string, b: string) => a === b

  test('none without neighbours; a hit where they agree; doubt where they do not or where all clash', () => {
    const asked = one('mug 2 l')
    assert.deepEqual(verdict(asked, [], [], same), { kind: 'none' })
    const agreeing = [near('mugs', 'mug 3 l', 0.9), near('mugs', 'mug 2 l x', 0.8)]
    assert.deepEqual(verdict(asked, agreeing, [], same), { kind: 'hit', value: 'mugs', similarity: 0.9 })
    const split = [near('mugs', 'mug 3 l', 0.9), near('cups', 'mug 2 l x', 0.8)]
    assert.deepEqual(verdict(asked, split, [], same), { kind: 'doubt', why: 'disagreement' })
    assert.deepEqual(verdict(asked, split, ['numbers'], same), { kind: 'hit', value: 'cups', similarity: 0.8 })
    assert.deepEqual(verdict(asked, [split[0]!], ['numbers'], same), { kind: 'doubt', why: 'clash' })
  })
})
