import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { curveSvg } from '../../src/learn/curve.ts'

const TEXTS = { unit: 'epoch', loss: 'training loss' }
const points = (svg: string) => [...svg.matchAll(/points="([^"]*)"/g)].map(([, list]) => list!.split(' '))

describe('the curve of a training', () => {
  it('has a line of losses and one per level, a point an epoch, and marks the chosen epoch', () => {
    const svg = curveSvg(
      [
        { at: 1, loss: 2, accuracy: [0.5, 0.4] },
        { at: 2, loss: 1, accuracy: [0.7, 0.6] },
        { at: 3, loss: 0.5, accuracy: [0.7, 0.5] },
      ],
      2,
      TEXTS,
    )
    assert.deepEqual(
      points(svg).map((line) => line.length),
      [3, 3, 3],
    )
    const [first, , last] = points(svg)[0]!.map((pair) => Number(pair.split(',')[1]))
    assert.ok(first! < last!, 'a falling loss goes down the page')
    assert.match(svg, /epoch \(chosen: 2\)/)
  })

  it('leaves accuracy out where none was measured, and draws no NaN, even for one epoch', () => {
    const svg = curveSvg([{ at: 1, loss: 1 }], 1, TEXTS)
    assert.equal(points(svg).length, 1)
    assert.doesNotMatch(svg, /NaN|Infinity|accuracy/)
  })
})
