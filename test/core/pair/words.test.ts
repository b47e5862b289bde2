import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { stem, words } from '../../../src/core/pair/words.ts'

const stems = (text: string) => words(text).words.map((word) => word.stem)

describe('the words of a text', () => {
  it('keep numbers with their unit, however it is written', () => {
    for (const text of ['20 volt drill', '20v drill', '20 V drill', '20-volt drill'])
      assert.deepEqual(stems(text), ['20v', 'drill'], text)
    assert.deepEqual(stems('1-1/2 in. pipe'), ['1.5in', 'pip'])
    assert.deepEqual(stems('1,000 watts'), ['1000w'])
  })

  it('take sizes apart and keep model codes whole', () => {
    assert.deepEqual(stems('4x8 plywood'), ['4', '8', 'plywood'])
    assert.equal(words('cs18db saw').words[0]!.kind, 'code')
  })

  it('know the head noun: the last word before "with", "for" or a comma', () => {
    const head = (text: string) => {
      const { words: found, head } = words(text)
      return found[head]?.text
    }
    assert.equal(head('cordless drill with 2 batteries'), 'drill')
    assert.equal(head('case for iphone 13'), 'case')
    assert.equal(head('cotton shirt, red'), 'shirt')
  })

  it('mark what stands after "for"', () => {
    const marked = words('battery for drill').words.filter(({ afterFor }) => afterFor)
    assert.deepEqual(
      marked.map(({ text }) => text),
      ['drill'],
    )
  })

  it('share a stem across plurals and participles', () => {
    assert.equal(stem('batteries'), stem('battery'))
    assert.equal(stem('lights'), stem('light'))
    assert.equal(stem('hinged'), stem('hinge'))
  })

  it('are two letters each where a script has no spaces', () => {
    assert.deepEqual(stems('充電器'), ['充電', '電器'])
    assert.equal(words('充電器').foreign, 1)
  })

  it('are few and whole for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const { words: found, head } = words(text)
        assert.ok(found.length <= 65)
        assert.ok(head < found.length && (found.length === 0 || head >= 0))
        for (const word of found) assert.ok(word.kind !== 'number' || Number.isFinite(word.value))
      }),
    )
  })
})
