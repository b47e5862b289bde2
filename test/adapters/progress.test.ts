import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lineView } from '../../src/adapters/terminal/progress.ts'

describe('progress where there is no terminal', () => {
  function view() {
    const clock = { now: 0 }
    const said: string[] = []
    return {
      said,
      clock,
      view: lineView(
        (text) => said.push(text),
        () => clock.now,
      ),
    }
  }

  it('says now and then where the work stands and how long it takes yet, by its pace so far', () => {
    const { view: own, clock, said } = view()
    own.update('fit', 10, 110, 'loss 2')
    clock.now = 20_000
    own.update('fit', 20, 110, 'loss 1')
    assert.deepEqual(said, [], 'not yet')
    clock.now = 40_000
    own.update('fit', 30, 110, 'loss 1')
    assert.deepEqual(said, ['fit: 27 % · loss 1 · 3 min left'])
    clock.now = 80_000
    own.update('fit', 90, 110, '')
    assert.deepEqual(said.slice(1), ['fit: 81 % · 20 s left'])
  })

  it('keeps the pace over lines between, and starts anew with the next piece of work', () => {
    const { view: own, clock, said } = view()
    own.update('fit', 0, 100, '')
    clock.now = 30_000
    own.line('epoch 1')
    clock.now = 60_000
    own.update('fit', 50, 100, '')
    clock.now = 90_000
    own.update('export', 7, 10, '')
    assert.deepEqual(said, ['epoch 1', 'fit: 50 % · 60 s left', 'export: 70 % · … left'])
  })
})
