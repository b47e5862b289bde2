import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { relevanceExamples } from '../../../src/learn/pair/examples.ts'
import { gradeShares } from '../../../src/learn/pair/grades.ts'

const [LOW, MIDDLE, HIGH] = [2, 0, 1]
/** Means of three raters from 1 to 3, the classes cut at 1.5 and 2.5. */
const graded = [1, 4 / 3, 5 / 3, 2, 7 / 3, 8 / 3, 3].flatMap((grade) =>
  Array.from({ length: 20 }, () => ({ grade, label: grade < 1.5 ? LOW : grade < 2.5 ? MIDDLE : HIGH })),
)
const CLASSES = 4

describe('shares of classes from a grade', () => {
  it('sum to one, are largest for the class of the row and grow towards it', () => {
    const shares = gradeShares(graded, CLASSES)!
    shares.forEach((own, at) => {
      assert.ok(Math.abs(own.reduce((sum, share) => sum + share, 0) - 1) < 1e-6)
      assert.equal(own.indexOf(Math.max(...own)), graded[at]!.label)
      assert.equal(own[3], 0, 'a class that the source does not have')
    })
    const high = shares.filter((_, at) => at % 20 === 0).map((own) => own[HIGH]!)
    assert.deepEqual(
      high,
      high.toSorted((a, b) => a - b),
    )
    assert.ok(high[4]! > 0.2 && high[4]! < 0.4, 'one level below the cut it is in doubt')
    assert.ok(high[6]! > 0.95, 'at the end it is not')
  })

  it('leave a class alone that a rare grade or a mistake gave', () => {
    const odd = [...graded, { grade: 2.45, label: HIGH }, { grade: 3, label: LOW }]
    const shares = gradeShares(odd, CLASSES)!
    assert.deepEqual([...shares.at(-2)!], [0, 1, 0, 0])
    assert.deepEqual([...shares.at(-1)!], [0, 0, 1, 0])
    assert.deepEqual(shares.slice(0, -2), gradeShares(graded, CLASSES))
  })

  it('are not made where the grade is no finer than the classes, or they are not cut from it', () => {
    assert.equal(
      gradeShares(
        graded.filter(({ grade }) => Number.isInteger(grade)),
        CLASSES,
      ),
      undefined,
    )
    assert.equal(
      gradeShares(
        graded.map((row, at) => ({ ...row, label: Math.floor(at / 20) % 2 })),
        CLASSES,
      ),
      undefined,
    )
    assert.equal(gradeShares([], CLASSES), undefined)
  })

  it('hold for any grades and classes: they sum to one and never move a class', () => {
    const row = fc.record({ grade: fc.integer({ min: 0, max: 9 }), label: fc.nat(CLASSES - 1) })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        gradeShares(rows, CLASSES)?.forEach((own, at) => {
          assert.ok(Math.abs(own.reduce((sum, share) => sum + share, 0) - 1) < 1e-5)
          assert.equal(own[rows[at]!.label], Math.max(...own))
        })
      }),
    )
  })

  it('are those of each source apart, and only of rows with a grade', () => {
    const rows = graded.map(({ grade, label }, at) => ({
      file: 'graded.jsonl',
      line: at + 1,
      value: { query: `query ${at}`, product: { title: 'a title' }, label: ['m', 'h', 'l'][label], grade },
    }))
    const plain = rows.map(({ value, line }) => ({ file: 'plain.jsonl', line, value: { ...value, grade: undefined } }))
    const { rows: pairs } = relevanceExamples([...rows, ...plain])
    assert.deepEqual(
      pairs.map(({ shares }) => shares !== undefined),
      [...rows.map(() => true), ...plain.map(() => false)],
    )
    const wrong = rows.map((row, at) => ({ ...row, value: { ...row.value, grade: at === 0 ? 'two' : 2 } }))
    assert.match(relevanceExamples(wrong).warnings.join(), /have a grade that is no number.*graded\.jsonl:1/)
  })
})
