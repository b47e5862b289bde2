import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { decide } from '../../../src/core/cleaning/decide.ts'
import { noiseAtMost } from '../../../src/core/cleaning/noise.ts'
import { labelSet } from '../../../src/core/labels.ts'
import { tree as treeOf } from '../../../src/core/lexical/tree.ts'
import type { Decision, RowFacts } from '../../../src/core/cleaning/decide.ts'
import type { Evidence } from '../../../src/core/cleaning/evidence.ts'
import type { CleaningSettings } from '../../../src/core/cleaning/settings.ts'

const TREE = treeOf(
  labelSet([
    ['drinks', 'tea'],
    ['drinks', 'juice'],
    ['home', 'lamps'],
    ['home', 'towels'],
  ]),
)
const [JUICE, TEA, LAMPS] = [0, 1, 2]

interface Row {
  readonly key: string
  readonly given: number
  readonly best: number
  /** Probability of the given and of the best path's nodes, l1 first. */
  readonly of: { readonly given: readonly number[]; readonly best: readonly number[] }
  readonly human?: boolean
  readonly twoLabels?: boolean
  readonly source?: string
  readonly cluster?: number
}

const SETTINGS: CleaningSettings = {
  wrongMin: [0.9, 0.95],
  likelyMin: 0.5,
  replaceMin: [0.5, 0.6],
  classRowsMin: 3,
  sourceShareMax: 0.5,
  classShareMax: 0.5,
  clusterShareMax: 0.5,
}

const decided = (rows: readonly Row[], settings = SETTINGS): Decision[] =>
  decide(evidenceOf(rows), factsOf(rows), TREE, settings)

function evidenceOf(rows: readonly Row[]): Evidence {
  return {
    rows: rows.length,
    given: Int32Array.from(rows, ({ given }) => given),
    best: Int32Array.from(rows, ({ best }) => best),
    givenLevels: Float32Array.from(rows.flatMap(({ of }) => of.given)),
    bestLevels: Float32Array.from(rows.flatMap(({ of }) => of.best)),
  }
}

function factsOf(rows: readonly Row[]): RowFacts {
  return {
    keys: rows.map(({ key }) => key),
    human: Uint8Array.from(rows, ({ human }) => (human === true ? 1 : 0)),
    twoLabels: Uint8Array.from(rows, ({ twoLabels }) => (twoLabels === true ? 1 : 0)),
    sources: rows.map(({ source }) => source ?? 'shop'),
    clusters: Int32Array.from(rows, ({ cluster }, row) => cluster ?? 1000 + row),
  }
}

/** Ten rows of each label that the model agrees with. */
const SURE: readonly Row[] = [0, 1, 2, 3].flatMap((path) =>
  Array.from({ length: 10 }, (_, at) => ({
    key: `sure ${path} ${at}`,
    given: path,
    best: path,
    of: { given: [0.9, 0.9], best: [0.9, 0.9] },
  })),
)

const lamp = { key: 'x', given: TEA, best: LAMPS, of: { given: [0.01, 0.01], best: [0.95, 0.9] } }
const last = (rows: readonly Row[], settings = SETTINGS) => decided([...SURE, ...rows], settings).at(-1)!

describe('what becomes of a label', () => {
  it('stays where the model agrees, however unsure it is', () => {
    const row = { key: 'x', given: TEA, best: TEA, of: { given: [0.3, 0.2], best: [0.3, 0.2] } }
    assert.deepEqual(last([row]), { action: 'keep', reason: 'agrees' })
  })

  it('is replaced by the whole path where another branch is sure', () => {
    const found = last([lamp])
    assert.ok(found.action === 'replace' && found.to === LAMPS && found.level === 0)
  })

  it('is replaced from a level down where the level above agrees', () => {
    const row = { key: 'x', given: TEA, best: JUICE, of: { given: [0.95, 0.02], best: [0.95, 0.92] } }
    const found = last([row])
    assert.ok(found.action === 'replace' && found.to === JUICE && found.level === 1)
  })

  it('is dropped where it is surely wrong and the right leaf is not sure', () => {
    const found = last([{ ...lamp, of: { given: [0.01, 0.01], best: [0.95, 0.5] } }])
    assert.ok(found.action === 'drop' && found.level === 0)
  })

  it('stays where the model only leans the other way', () => {
    const row = { ...lamp, of: { given: [0.4, 0.4], best: [0.6, 0.6] } }
    assert.deepEqual(last([row]), { action: 'keep', reason: 'unsure' })
  })

  it('stays where another name is far likelier than the given one, but not likely', () => {
    const row = { ...lamp, of: { given: [0.01, 0.01], best: [0.45, 0.45] } }
    assert.deepEqual(last([row]), { action: 'keep', reason: 'unsure' })
  })

  const kept: Record<string, Partial<Row>> = {
    human: { human: true },
    'two labels': { twoLabels: true },
    'no answer': { best: -1 },
  }
  for (const [reason, part] of Object.entries(kept))
    it(`stays, however sure the model is: ${reason}`, () =>
      assert.deepEqual(last([{ ...lamp, ...part }]), { action: 'keep', reason }))

  it('stays where few rows carry the label: the model has hardly seen it', () => {
    const rows = [...SURE.filter(({ given }) => given !== TEA), lamp]
    assert.deepEqual(decided(rows).at(-1), { action: 'keep', reason: 'rare label' })
  })

  it('is judged more strictly the deeper it differs', () => {
    const at = (best: number, of: Row['of']) => last([{ ...lamp, best, of }]).action
    assert.equal(at(LAMPS, { given: [0.05, 0.05], best: [0.7, 0.7] }), 'replace')
    assert.equal(at(JUICE, { given: [0.9, 0.05], best: [0.9, 0.7] }), 'keep')
  })
})

const probability = fc.double({ min: 0, max: 1, noNaN: true })
const levels = fc.tuple(probability, probability).map(([a, b]) => [Math.max(a, b), Math.min(a, b)])
const anyRows = fc
  .array(
    fc.record({
      given: fc.nat(3),
      best: fc.integer({ min: -1, max: 3 }),
      of: fc.record({ given: levels, best: levels }),
      human: fc.boolean(),
      twoLabels: fc.boolean(),
      source: fc.constantFrom('shop', 'llm', 'old'),
      cluster: fc.nat(8),
    }),
    { maxLength: 60 },
  )
  .map((rows) => rows.map((row, at): Row => ({ ...row, key: `f:${at}` })))
const eager: CleaningSettings = { ...SETTINGS, wrongMin: [0.5], likelyMin: 0.2, replaceMin: [0.2], classRowsMin: 1 }
const anySettings = fc.record({
  wrongMin: fc.constant([0.5]),
  likelyMin: fc.constant(0.2),
  replaceMin: fc.constant([0.2]),
  classRowsMin: fc.nat(3),
  sourceShareMax: probability,
  classShareMax: probability,
  clusterShareMax: probability,
})

describe('whatever the rows', () => {
  it('the caps are never exceeded: per source, per label, per group of near-duplicates', () => {
    fc.assert(
      fc.property(anyRows, anySettings, (rows, settings) => {
        const decisions = decided(rows, settings)
        const within = (groupOf: (row: Row) => string | number, share: number, least: number) => {
          for (const group of Map.groupBy(rows.keys(), (at) => groupOf(rows[at]!)).values()) {
            const changed = group.filter((at) => decisions[at]!.action !== 'keep').length
            assert.ok(changed <= Math.max(share * group.length, least), `${changed} of ${group.length}`)
          }
        }
        within(({ source }) => source!, settings.sourceShareMax, 0)
        within(({ given }) => given, settings.classShareMax, 0)
        within(({ cluster }) => cluster!, settings.clusterShareMax, 1)
      }),
    )
  })

  it('no more labels change than are probably wrong, at any level', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const changes = decided(rows, eager).flatMap((one) => (one.action === 'keep' ? [] : [one.level]))
        noiseAtMost(evidenceOf(rows), TREE).forEach((share, level) => {
          assert.ok(changes.filter((at) => at <= level).length <= share * rows.length)
        })
      }),
    )
  })

  it('a new label is an existing path, and not the old one', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        decided(rows, eager).forEach((decision, at) => {
          if (decision.action !== 'replace') return
          assert.ok(decision.to >= 0 && decision.to < TREE.paths && decision.to !== rows[at]!.given)
          for (const nodeOf of TREE.nodeOf.slice(0, decision.level))
            assert.equal(nodeOf[decision.to], nodeOf[rows[at]!.given], 'the names above the level stay')
        })
      }),
    )
  })

  it('nothing a person labelled changes, nor what the model agrees with', () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        decided(rows, eager).forEach(({ action }, at) => {
          const { human, given, best, twoLabels } = rows[at]!
          if (human === true || twoLabels === true || given === best || best < 0) assert.equal(action, 'keep')
        })
      }),
    )
  })

  it('the order of the rows changes no decision', () => {
    const shuffled = anyRows.chain((rows) =>
      fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length, maxLength: rows.length })),
    )
    fc.assert(
      fc.property(shuffled, ([rows, others]) => {
        const byKey = (of: readonly Row[]) => new Map(decided(of, eager).map((one, at) => [of[at]!.key, one]))
        const [one, other] = [byKey(rows), byKey(others)]
        for (const [key, decision] of one) assert.deepEqual(other.get(key), decision)
      }),
    )
  })
})
