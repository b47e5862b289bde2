// What calls teach about the next ones, how questions are put together, how long a text is.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { grouped } from '../../../src/core/llm/grouping.ts'
import { calibrated, covering } from '../../../src/core/llm/shortlist.ts'
import { estimateTokens } from '../../../src/core/llm/tokens.ts'
import { callSize, massFor, tuned, untuned } from '../../../src/core/llm/tuning.ts'
import { seed } from '../../support/llm.ts'
import type { Seen, Tuning } from '../../../src/core/llm/tuning.ts'

const LIMITS = { call_faults_max: 0.05, call_disagreements_max: 0.1 }
const NOTHING: Seen = { size: 20, asked: 0, faults: 0, leftOut: 0, missed: 0, audits: [] }

function after(calls: number, seen: (size: number) => Partial<Seen>, from: Tuning = untuned(20)): Tuning {
  let tuning = from
  for (let call = 0; call < calls; call++) {
    const size = callSize(tuning, LIMITS)
    tuning = tuned(tuning, { ...NOTHING, size, asked: size, ...seen(size) })
  }
  return tuning
}

describe('the size of calls', () => {
  test('is the largest before anything is known, and stays so while answers are good', () => {
    assert.equal(callSize(untuned(20), LIMITS), 20)
    assert.equal(callSize(untuned(1), LIMITS), 1)
    assert.equal(
      callSize(
        after(500, () => ({ faults: 0 })),
        LIMITS,
      ),
      20,
    )
  })

  test('falls to the size at which answers are good', () => {
    const bad = (above: number) => (size: number) => ({ faults: size > above ? Math.ceil(size / 3) : 0 })
    assert.equal(callSize(after(40, bad(10)), LIMITS), 10)
    assert.equal(callSize(after(40, bad(2)), LIMITS), 2)
    assert.equal(callSize(after(60, bad(0)), LIMITS), 1)
  })

  test('falls where items are answered differently alone', () => {
    const differ = (size: number) => ({ audits: [{ size, same: size <= 5 }] })
    assert.equal(callSize(after(60, differ), LIMITS), 5)
  })

  test('does not fall for one unlucky call, and comes back after a bad day', () => {
    assert.equal(
      callSize(
        after(1, () => ({ faults: 1 })),
        LIMITS,
      ),
      20,
    )
    const bad = after(60, (size) => ({ faults: size > 5 ? size : 0 }))
    assert.equal(callSize(bad, LIMITS), 5)
    assert.equal(
      callSize(
        after(5_000, () => ({}), bad),
        LIMITS,
      ),
      20,
    )
  })
})

describe('the mass of short lists', () => {
  test('is what was asked for while the local model keeps its promise', () => {
    const honest = after(200, () => ({ leftOut: 1, missed: 1 }))
    assert.ok(Math.abs(massFor(honest, 0.95) - 0.95) < 1e-9)
    assert.equal(massFor(untuned(20), 0.95), 0.95)
  })

  test('rises where short lists miss more than it says, falls where they miss less, within bounds', () => {
    assert.ok(
      massFor(
        after(200, () => ({ leftOut: 1, missed: 3 })),
        0.95,
      ) > 0.98,
    )
    assert.ok(
      massFor(
        after(200, () => ({ leftOut: 3, missed: 1 })),
        0.95,
      ) < 0.9,
    )
    assert.equal(
      massFor(
        after(2_000, () => ({ leftOut: 0, missed: 20 })),
        0.95,
      ),
      0.999,
    )
    assert.equal(
      massFor(
        after(2_000, () => ({ leftOut: 20, missed: 0 })),
        0.9,
      ),
      0.5,
    )
  })
})

describe('a short list', () => {
  test('has the fewest paths that reach the mass, two at least and no more than the bound', (t) => {
    const probabilities = fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { maxLength: 30 })
    fc.assert(
      fc.property(
        probabilities,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 2, max: 20 }),
        (all, mass, max) => {
          const total = all.reduce((sum, one) => sum + one, 0)
          const ranked = all.sort((a, b) => b - a).map((one, at) => ({ label: [`l${at}`], probability: one / total }))
          const { labels, mass: held } = covering(ranked, mass, max)
          const without = labels.slice(0, -1).reduce((sum, { probability }) => sum + probability, 0)
          assert.deepEqual(labels, ranked.slice(0, labels.length))
          assert.ok(labels.length <= max && labels.length >= Math.min(2, ranked.length))
          assert.ok(labels.length <= 2 || without < mass)
          assert.ok(held >= Math.min(mass, 1) - 1e-9 || labels.length === Math.min(max, ranked.length))
        },
      ),
      { seed: seed(t) },
    )
  })
})

describe('the probabilities of a short list', () => {
  const ranked = (...probabilities: number[]) =>
    probabilities.map((probability, at) => ({ label: [`l${at}`], probability }))
  const after = (list: ReturnType<typeof ranked>, leaf: number) =>
    calibrated(list, leaf).map(({ probability }) => Math.round(probability * 1e6) / 1e6)

  test('are those of the calibrated answer: what the first loses the others get in proportion', () => {
    assert.deepEqual(after(ranked(0.9, 0.06, 0.03), 0.7), [0.7, 0.18, 0.09])
    assert.deepEqual(after(ranked(0.5, 0.3), 0.8), [0.8, 0.12])
  })

  test('stay in order, and as they are where there is nothing to change', () => {
    assert.deepEqual(after(ranked(0.99, 0.009), 0.4), [0.4, 0.4])
    assert.deepEqual(after(ranked(1, 0), 0.9), [0.9, 0])
    const list = ranked(0.6, 0.4)
    assert.equal(calibrated(list, 0.6), list)
    assert.deepEqual(calibrated([], 0.6), [])
  })
})

describe('groups', () => {
  const names = fc.array(fc.constantFrom(...'abcdefghij'), { minLength: 1, maxLength: 4 })
  const candidates = fc
    .array(fc.record({ tokens: fc.integer({ min: 1, max: 60 }), names }), { maxLength: 60 })
    .map((all) =>
      all.map(({ tokens, names: own }, index) => ({ index, tokens, labels: new Map(own.map((name) => [name, 5])) })),
    )

  test('hold every question once, within items, labels and tokens, save one that is too long by itself', (t) => {
    fc.assert(
      fc.property(
        candidates,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 20, max: 300 }),
        (all, items_max, tokens_max) => {
          const groups = grouped(all, 10, { items_max, tokens_max, labels_max: 7 })
          assert.deepEqual(
            groups.flat().sort((a, b) => a - b),
            all.map(({ index }) => index),
          )
          for (const group of groups) {
            const labels = new Set(group.flatMap((index) => [...all[index]!.labels.keys()]))
            const tokens = 10 + 5 * labels.size + group.reduce((sum, index) => sum + all[index]!.tokens, 0)
            assert.ok(group.length <= items_max && labels.size <= 7)
            assert.ok(tokens <= tokens_max || group.length === 1)
          }
        },
      ),
      { seed: seed(t) },
    )
  })

  test('put questions together that need the same labels', () => {
    const all = Array.from({ length: 40 }, (_, index) => ({
      index,
      tokens: 10,
      labels: new Map([`${index % 4}a`, `${index % 4}b`].map((label) => [label, 5])),
    }))
    const groups = grouped(all, 10, { items_max: 10, tokens_max: 1_000, labels_max: 249 })
    assert.deepEqual(
      groups.map((group) => [...new Set(group.map((index) => index % 4))]),
      [[0], [1], [2], [3]],
    )
  })
})

describe('the estimate of tokens', () => {
  test('is a token for three and a half letters, and one for each of other alphabets', () => {
    assert.equal(estimateTokens(''), 0)
    assert.equal(estimateTokens('stainless steel'), 5)
    assert.equal(estimateTokens('漢字'), 2)
  })
})
