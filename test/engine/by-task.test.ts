// One topic of several tasks: each has its records, all have one turn, and what fails in one ends the others.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { handleByTask } from '../../src/engine/by-task.ts'
import type { TurnHandler } from '../../src/engine/by-task.ts'
import type { Handler, InputRecord } from '../../src/ports/stream.ts'
import type { Turn } from '../../src/ports/tier.ts'
import { committed } from '../fakes/committed.ts'

const progress = async () => {}

describe('one topic, several tasks', () => {
  const handler =
    (name: string): Handler =>
    async ({ records }) =>
      records.map(({ offset }) => ({ topic: name, key: offset, value: null, headers: {} }))
  const record = (offset: string, task?: string): InputRecord => {
    const headers: InputRecord['headers'] = task === undefined ? {} : { 'sluice-task': Buffer.from(task) }
    return { offset, timestamp_ms: 0, key: null, value: null, headers }
  }
  const both = committed(
    handleByTask(
      new Map([
        ['a', handler('a')],
        ['b', handler('b')],
      ]),
      () => 'turn',
    ),
  )

  test("each task's records go to its handler, in order; those of no task to the first", async () => {
    const records = [record('0', 'b'), record('1', 'a'), record('2', '__proto__'), record('3', 'b'), record('4')]
    const written = await both({ topic: 'fallback', partition: 0, records }, progress)
    assert.deepEqual(written.map(({ topic, key }) => [topic, key]).sort(), [
      ['a', '1'],
      ['a', '2'],
      ['a', '4'],
      ['b', '0'],
      ['b', '3'],
    ])
  })

  test('have one turn, which is over once all of them have remembered, or once nothing will be committed', async () => {
    const turns: Turn[] = []
    const slow = Promise.withResolvers<void>()
    const of =
      (remember: () => Promise<void>): TurnHandler =>
      async (_batch, _progress, afterCommit, turn) => {
        turns.push(turn)
        afterCommit(remember)
        return []
      }
    let named = 0
    const handlers = new Map([
      ['a', of(async () => {})],
      ['b', of(() => slow.promise)],
    ])
    const handle = handleByTask(handlers, () => `turn ${named++}`)
    const batch = { topic: 'fallback', partition: 0, records: [record('0', 'a'), record('1', 'b')] }
    const overNow = (turn: Turn) =>
      Promise.race([turn.over.then(() => true), new Promise(setImmediate).then(() => false)])

    let commit = async (): Promise<void> => {}
    await handle(batch, progress, (work) => void (commit = work))
    assert.equal(turns[0], turns[1])
    const committing = commit()
    assert.equal(await overNow(turns[0]!), false)
    slow.resolve()
    await committing
    assert.equal(await overNow(turns[0]!), true)

    let drop = (): void => {}
    await handle(batch, progress, (_work, otherwise) => void (drop = otherwise!))
    assert.deepEqual([turns[2]!.name, await overNow(turns[2]!)], ['turn 1', false])
    drop()
    assert.equal(await overNow(turns[2]!), true)
  })

  test('where one fails the others hear of it with their next pulse, and nothing of them goes on', async () => {
    const heard: unknown[] = []
    const beat = Promise.withResolvers<void>()
    const handlers = new Map<string, TurnHandler>([
      ['a', () => Promise.reject(new RangeError('a mistake'))],
      [
        'b',
        async (_batch, pulse) => {
          await beat.promise
          await pulse().catch((error: unknown) => heard.push(error))
          return []
        },
      ],
    ])
    const batch = { topic: 'fallback', partition: 0, records: [record('0', 'a'), record('1', 'b')] }
    const handled = handleByTask(handlers, () => 'turn')(batch, progress, () => {})
    const ended = handled.then(
      () => 'well',
      (error: unknown) => (heard.push('over'), error),
    )
    await new Promise(setImmediate)
    beat.resolve()
    assert.ok((await ended) instanceof RangeError)
    assert.deepEqual(heard.map(String), ['RangeError: a mistake', 'over'])
  })

  test('no task at all is a mistake of ours', () =>
    assert.throws(() => handleByTask(new Map(), () => 'turn'), RangeError))
})
