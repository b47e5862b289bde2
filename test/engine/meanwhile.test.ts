// Waiting for slow work without losing the partition.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meanwhile } from '../../src/engine/meanwhile.ts'
import { fakeClock } from '../fakes/clock.ts'

test('progress is called every second while the work goes on, and no more after', async () => {
  const clock = fakeClock()
  let calls = 0
  const count = async () => void calls++
  assert.equal(
    await meanwhile(
      clock.sleep(3_500).then(() => 'done'),
      count,
      clock,
    ),
    'done',
  )
  assert.equal(calls, 3)
  await clock.sleep(10_000)
  assert.equal(calls, 3)
})

test('quick work calls it not at all', async () => {
  const never = async () => assert.fail('called')
  assert.equal(await meanwhile(Promise.resolve(1), never, fakeClock()), 1)
})

test('what progress throws ends the waiting, and work that fails later disturbs nobody', async () => {
  const clock = fakeClock()
  const lost = new Error('the partition is lost')
  const work = clock.sleep(5_000).then(() => Promise.reject(new Error('too late')))
  await assert.rejects(
    meanwhile(work, () => Promise.reject(lost), clock),
    lost,
  )
  await clock.sleep(10_000)
})

test('an error of the work is thrown', async () => {
  const failed = new Error('broken')
  await assert.rejects(
    meanwhile(Promise.reject(failed), async () => {}, fakeClock()),
    failed,
  )
})
