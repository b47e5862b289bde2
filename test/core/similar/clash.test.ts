// What two texts state that makes them mean different things, however alike they are spelled.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { FACTS, clash, facts } from '../../../src/core/similar/clash.ts'
import type { Fact } from '../../../src/core/similar/clash.ts'

describe('facts that clash', () => {
  const TABLE: readonly (readonly [string, string, Fact | undefined])[] = [
    ['olive oil 500 ml', 'olive oil 500ml', undefined],
    ['olive oil 500 ml', 'olive oil 750 ml', 'numbers'],
    ['phone 64 gb', 'phone 128 gb', 'numbers'],
    ['olive oil 1 l', 'olive oil 1000 ml', undefined],
    ['olive oil 500 ml', 'olive oil 500 g', 'numbers'],
    ['flour 1.5 kg', 'flour 1500g', undefined],
    ['toilet paper 6 rolls pack of 6', 'toilet paper 6 rolls pack of 12', 'packs'],
    ['pods 10 pcs', 'pods 16 pcs', 'packs'],
    ['pods pack of 10', 'pods 10 pack', undefined],
    ['cola 6x330ml', 'cola 6 x 330 ml', undefined],
    ['cola 6 x 330 ml', 'cola 12 x 330 ml', 'packs'],
    ['cola 6 x 330 ml', 'cola 330 ml', 'packs'],
    ['socks 2xl', 'socks 3xl', 'sizes'],
    ['t-shirt xl', 't-shirt m', 'sizes'],
    ['tv lg oled55c1', 'tv lg oled55c2', 'codes'],
    ['yoghurt with sugar', 'yoghurt without sugar', 'negations'],
    ['gluten free bread', 'gluten bread', 'negations'],
    ['yoghurt sugar free', 'yoghurt without sugar', undefined],
    ['with sugar without salt', 'with salt without sugar', 'negations'],
    ['no', '', 'negations'],
    ['red mug', 'blue mug', 'colours'],
    ['becher weiß', 'becher braun', 'colours'],
    ['becher weiß', 'becher weiss', undefined],
    ['funda negra', 'funda blanca', 'colours'],
    ['mug', 'mug', undefined],
  ]
  for (const [a, b, expected] of TABLE)
    test(`"${a}" and "${b}": ${expected ?? 'none'}`, () => {
      assert.equal(clash(facts(a), facts(b), FACTS), expected)
      assert.equal(clash(facts(b), facts(a), FACTS), expected)
    })

  test('a text never clashes with itself, nor with its words in another order', () => {
    const words = fc.array(fc.constantFrom('red', 'mug', '500', 'ml', 'xl', 'oled55c1', '6', 'pcs', '中文'), {
      maxLength: 8,
    })
    // Number and unit stay together: apart they state something else.
    const phrases = fc.array(fc.constantFrom('red', 'mug', '500 ml', '6 pcs', 'xl', 'oled55c1', '7,'), { maxLength: 8 })
    fc.assert(
      fc.property(words, phrases, fc.integer(), (some, whole, by) => {
        assert.equal(clash(facts(some.join(' ')), facts(some.join(' ')), FACTS), undefined)
        const turned = whole.map((_, at) => whole.at((at + by) % whole.length)!)
        assert.equal(clash(facts(whole.join(' , ')), facts(turned.join(' , ')), FACTS), undefined)
      }),
    )
  })

  test('what stands at the end of a long text counts too', () => {
    const long = 'plain words '.repeat(150)
    assert.equal(clash(facts(`${long} 500 ml`), facts(`${long} 750 ml`), FACTS), 'numbers')
  })

  test('only what the task names counts', () => {
    assert.equal(clash(facts('red mug 2 l'), facts('blue mug 3 l'), ['codes']), undefined)
    assert.equal(clash(facts('red mug 2 l'), facts('blue mug 3 l'), ['colours']), 'colours')
  })
})
