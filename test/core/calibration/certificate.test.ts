// The certificate: it keeps its promise, it stops at the first failure, and it refuses what the rows cannot show.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { binomialTail } from '../../../src/core/calibration/binomial.ts'
import { certify, thresholdGrid } from '../../../src/core/calibration/certificate.ts'
import { random } from '../../../src/core/random.ts'
import type { Certificate, Certified } from '../../../src/core/calibration/certificate.ts'

const TARGET = { precision: 0.97, delta: 0.05 }

function certificateOf(certified: Certified): Certificate {
  assert.equal(certified.kind, 'certified', certified.kind === 'refused' ? certified.why : '')
  return (certified as Extract<Certified, { kind: 'certified' }>).certificate
}

/** `passed` rows at the probability, the first `errors` of them wrong. */
const block = (probability: number, passed: number, errors: number) =>
  Array.from({ length: passed }, (_, at) => ({ probability, hit: at < errors ? 0 : 1 }))
const run = (rows: readonly { probability: number; hit: number }[], grid: readonly number[], target = TARGET) =>
  certify(
    rows.map(({ probability }) => probability),
    rows.map(({ hit }) => hit),
    grid,
    target,
  )

describe('a certificate', () => {
  test('names the loosest threshold before the first that fails, with counts and bound', () => {
    const rows = [...block(0.99, 500, 2), ...block(0.9, 500, 4), ...block(0.8, 500, 60), ...block(0.7, 5000, 0)]
    const certificate = certificateOf(run(rows, [0.985, 0.89, 0.79, 0.69]))
    assert.equal(certificate.threshold, 0.89)
    assert.deepEqual([certificate.rows, certificate.passed, certificate.errors, certificate.tested], [6500, 1000, 6, 3])
    assert.ok(certificate.bound >= 0.97 && certificate.bound < 0.994)
    assert.ok(Math.abs(binomialTail(6, 1000, 1 - certificate.bound) - 0.05) < 1e-9)
  })

  test('never lies at or below a threshold that failed, however good those below look', () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 12 })), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(sizes, (blocks) => {
        const grid = blocks.map((_, at) => 0.95 - at / 10)
        const rows = blocks.flatMap(([passed, errors], at) => block(0.95 - at / 10, passed, Math.min(passed, errors)))
        const held = grid.map((threshold) => {
          const own = rows.filter(({ probability }) => probability >= threshold)
          const errors = own.filter(({ hit }) => hit === 0).length
          return own.length > 0 && binomialTail(errors, own.length, 0.03) <= 0.05
        })
        const failed = held.indexOf(false)
        const certified = run(rows, grid)
        if (failed === 0) assert.equal(certified.kind, 'refused')
        else assert.equal(certificateOf(certified).threshold, grid[(failed < 0 ? grid.length : failed) - 1])
      }),
    )
  })

  test('counts rows exactly at the threshold as passing, as the gate does, and NaN never', () => {
    const rows = [...block(0.9, 200, 0), ...block(NaN, 200, 0)]
    assert.equal(certificateOf(run(rows, [0.9])).passed, 200)
  })

  test('is refused with too few rows, and says how many are needed', () => {
    const few = run(block(0.99, 98, 0), [0.9])
    assert.equal(few.kind, 'refused')
    assert.equal(few.kind === 'refused' && few.needed, 99)
    assert.equal(run(block(0.99, 99, 0), [0.9]).kind, 'certified')
    const none = run([], [0.9])
    assert.equal(none.kind === 'refused' && none.needed, 99)
    const some = run([...block(0.99, 200, 3), ...block(0.1, 200, 100)], [0.9])
    // 1.5 % errors are within 3 %, but 200 rows do not show it: half of all rows pass, so twice as many are needed.
    assert.ok(some.kind === 'refused' && some.needed! > 600 && some.needed! < 3000, JSON.stringify(some))
  })

  test('is refused without a number where no number would do', () => {
    const refused = run(block(0.99, 1000, 100), [0.9])
    assert.ok(refused.kind === 'refused' && refused.needed === undefined)
  })

  test('counts the rows that the strictest threshold needs, since the walk begins there', () => {
    // A tenth passes it: ten times the 99 that can do. The looser threshold alone would hold by now.
    const rows = [...block(0.99, 30, 0), ...block(0.8, 270, 0)]
    const refused = run(rows, [0.9, 0.7])
    assert.equal(refused.kind === 'refused' && refused.needed, 990)
  })

  const never: Record<string, { rows: ReturnType<typeof block>; says: RegExp }> = {
    'nothing reaches the strictest threshold': { rows: block(0.8, 300, 0), says: /^0 of 300 .* is never as sure/ },
    'what it is surest of is wrong': {
      rows: [...block(0.99, 6, 6), ...block(0.8, 1000, 0)],
      says: /^6 of 1006 .*6 of them wrongly; looser ones would hold/,
    },
  }
  for (const [name, { rows, says }] of Object.entries(never))
    test(`names no number of rows where ${name}`, () => {
      const refused = run(rows, [0.9, 0.7])
      assert.equal(refused.kind === 'refused' && refused.needed, undefined)
      assert.match(refused.kind === 'refused' ? refused.why : '', says)
    })

  test('with all probabilities equal is one question: all rows or none', () => {
    assert.equal(certificateOf(run(block(0.5, 1000, 5), [0.9, 0.7, 0.5].slice(2))).passed, 1000)
    assert.equal(run(block(0.5, 1000, 300), thresholdGrid(TARGET)).kind, 'refused')
  })

  test('wants a grid that falls', () => {
    assert.throws(() => run(block(0.9, 10, 0), [0.8, 0.9]), RangeError)
    assert.throws(() => run(block(0.9, 10, 0), []), RangeError)
  })
})

describe('a grid', () => {
  test('falls from where a calibrated model errs half as often as it may', () => {
    const grid = thresholdGrid(TARGET)
    assert.equal(grid[0], 0.985)
    assert.ok(grid.every((threshold, at) => threshold >= 0 && (at === 0 || threshold < grid[at - 1]!)))
  })
  test('reaches down to almost nothing, for any target', () => {
    for (const precision of [0.5, 0.9, 0.97, 0.999]) {
      const grid = thresholdGrid({ precision, delta: 0.05 })
      assert.ok(grid.at(-1)! < 0.04 && grid.length < 250, `${grid.at(-1)} ${grid.length}`)
    }
  })
  test('starts looser where other rows say that hardly any pass', () => {
    const others = Array.from({ length: 1000 }, (_, at) => at / 1100)
    const [start] = thresholdGrid(TARGET, others, 1000)
    assert.ok(start! < 0.8 && start! > 0.7, String(start))
  })
})

describe('the promise', () => {
  const DRAWS = 1000
  const ROWS = 600
  const SPAN = 0.15
  const GRID = thresholdGrid(TARGET)
  type World = (probability: number) => number

  /** Probabilities 1 − SPAN · u² for uniform u, as of a model that is mostly sure; hits by the world's chance. */
  function draw(world: World, next: () => number) {
    const probabilities = Float64Array.from({ length: ROWS }, () => 1 - SPAN * next() ** 2)
    return { probabilities, hits: Uint8Array.from(probabilities, (one) => (next() < world(one) ? 1 : 0)) }
  }

  /** The true precision at each threshold: the mean chance above it, summed finely. */
  function precisions(world: World): number[] {
    return GRID.map((threshold) => {
      const most = Math.min(1, Math.sqrt((1 - threshold) / SPAN))
      let sum = 0
      for (let i = 0; i < 400; i++) sum += world(1 - SPAN * (((i + 0.5) / 400) * most) ** 2)
      return sum / 400
    })
  }

  function failures(world: World, seed: number): { readonly failed: number; readonly certified: number } {
    const next = random(seed)
    const truth = precisions(world)
    let failed = 0
    let certified = 0
    for (let at = 0; at < DRAWS; at++) {
      const { probabilities, hits } = draw(world, next)
      const one = certify(probabilities, hits, GRID, TARGET)
      if (one.kind === 'refused') continue
      certified++
      if (truth[GRID.indexOf(one.certificate.threshold)]! < TARGET.precision) failed++
    }
    return { failed, certified }
  }

  /** If each draw fails with probability delta, more than this many fail in one suite of ten thousand. */
  let slack = DRAWS * TARGET.delta
  while (1 - binomialTail(slack, DRAWS, TARGET.delta) > 1e-4) slack++

  const worlds: Record<string, World> = {
    'a calibrated model': (probability) => probability,
    'an overconfident model': (probability) => 1 - 2 * (1 - probability),
    'precision just short of it everywhere': () => 0.9699,
    'precision that falls in one step': (probability) => (probability > 0.96 ? 0.99 : 0.8),
  }
  Object.entries(worlds).forEach(([name, world], seed) =>
    test(`fails in at most ${slack} of 1,000 draws: ${name}`, () => {
      const { failed } = failures(world, seed + 1)
      assert.ok(failed <= slack, `${failed} of ${DRAWS} failed`)
    }),
  )

  test('is not kept by silence: a good model gets its certificate in most draws', () => {
    const { certified } = failures((probability) => 1 - (1 - probability) / 2, 7)
    assert.ok(certified > 0.8 * DRAWS, String(certified))
  })

  test('would be broken in a third of the draws by the loosest threshold that merely looks good', () => {
    const next = random(8)
    const truth = precisions(worlds['a calibrated model']!)
    let failed = 0
    for (let at = 0; at < 100; at++) {
      const { probabilities, hits } = draw(worlds['a calibrated model']!, next)
      const loosest = GRID.findLastIndex((threshold) => {
        const own = hits.filter((_, row) => probabilities[row]! >= threshold)
        return own.length > 0 && own.reduce((sum, hit) => sum + hit, 0) >= TARGET.precision * own.length
      })
      if (loosest >= 0 && truth[loosest]! < TARGET.precision) failed++
    }
    assert.ok(failed > 33, String(failed))
  })
})
