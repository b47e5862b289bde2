// What every breaker promises, said once and run on the fake and on opossum (with real, short intervals).
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { BREAKER_DEFAULTS, createBreaker } from '../../src/adapters/breaker/breaker.ts'
import { systemClock } from '../../src/adapters/clock.ts'
import { silent } from '../../src/ports/events.ts'
import { BreakerOpen } from '../../src/ports/breaker.ts'
import { fakeBreaker } from '../fakes/breaker.ts'
import { fakeClock } from '../fakes/clock.ts'
import type { Breaker } from '../../src/ports/breaker.ts'
import type { Clock } from '../../src/ports/clock.ts'

const RESET_MS = 60
const FAILURES_MIN = 3

class Outage extends Error {}
const isFailure = (error: unknown) => error instanceof Outage
const never = new AbortController().signal
const fail = () => Promise.reject(new Outage())
const succeed = () => Promise.resolve('fine')

breakerContract('the fake', () => {
  const clock = fakeClock()
  return { clock, breaker: fakeBreaker({ clock, reset_ms: RESET_MS, failures_max: FAILURES_MIN, isFailure }) }
})
breakerContract('opossum', () => ({
  clock: systemClock,
  breaker: createBreaker({
    ...BREAKER_DEFAULTS,
    reset_ms: RESET_MS,
    volume_min: FAILURES_MIN,
    isFailure,
    provider: 'p',
    emit: silent,
  }),
}))

function breakerContract(name: string, make: () => { clock: Clock; breaker: Breaker }): void {
  describe(`the breaker contract, kept by ${name}`, () => {
    const opened: Breaker[] = []
    afterEach(() => opened.splice(0).forEach((breaker) => breaker.close()))

    async function setUp(state: 'closed' | 'open' = 'closed') {
      const made = make()
      opened.push(made.breaker)
      if (state === 'open')
        for (let count = 0; count < FAILURES_MIN; count++) await assert.rejects(made.breaker.fire(fail, never), Outage)
      return made
    }

    test('opens after failures in a row, however many calls went well before', async () => {
      const { breaker } = await setUp()
      for (let call = 0; call < 20; call++) await breaker.fire(succeed, never)
      for (let call = 0; call < FAILURES_MIN; call++) await assert.rejects(breaker.fire(fail, never), Outage)
      assert.equal(breaker.state, 'open')
    })

    test('closed, it runs the action and gives back what that gives', async () => {
      const { breaker } = await setUp()
      assert.equal(await breaker.fire(succeed, never), 'fine')
      await breaker.admits(never)
      assert.equal(breaker.state, 'closed')
    })

    test('one failure does not open it; as many as the limit do', async () => {
      const { breaker } = await setUp()
      await assert.rejects(breaker.fire(fail, never), Outage)
      assert.equal(breaker.state, 'closed')
      for (let count = 1; count < FAILURES_MIN; count++) await assert.rejects(breaker.fire(fail, never), Outage)
      assert.equal(breaker.state, 'open')
    })

    test('open, it runs nothing and says BreakerOpen', async () => {
      const { breaker } = await setUp('open')
      let ran = false
      const action = () => Promise.resolve((ran = true))
      await assert.rejects(breaker.fire(action, never), BreakerOpen)
      assert.equal(ran, false)
    })

    test('errors that are no failures pass through and never open it', async () => {
      const { breaker } = await setUp()
      const odd = () => Promise.reject(new RangeError('odd'))
      for (let count = 0; count < 3 * FAILURES_MIN; count++) await assert.rejects(breaker.fire(odd, never), RangeError)
      assert.equal(breaker.state, 'closed')
    })

    test('an action that throws at once is a rejection, not a crash', async () => {
      const { breaker } = await setUp()
      const rude = () => {
        throw new RangeError('rude')
      }
      await assert.rejects(breaker.fire(rude, never), RangeError)
    })

    test('after the interval those who wait are let go, and one of them gets through', async () => {
      const { breaker } = await setUp('open')
      const gate = Promise.withResolvers<string>()
      const started = Promise.withResolvers<void>()
      let probes = 0
      const action = () => {
        probes++
        started.resolve()
        return gate.promise
      }
      const tries = Array.from({ length: 5 }, async () => {
        await breaker.admits(never)
        return breaker.fire(action, never)
      })
      const settled = Promise.allSettled(tries)
      await started.promise
      await assert.rejects(breaker.fire(action, never), BreakerOpen)
      gate.resolve('back')
      const ends = await settled
      assert.equal(probes, 1)
      assert.deepEqual(
        ends.map((end) => (end.status === 'fulfilled' ? end.value : (end.reason as Error).name)).toSorted(),
        ['BreakerOpen', 'BreakerOpen', 'BreakerOpen', 'BreakerOpen', 'back'],
      )
      assert.equal(breaker.state, 'closed')
    })

    test('a failed probe opens it again for a whole interval', async () => {
      const { breaker, clock } = await setUp('open')
      await breaker.admits(never)
      const since = clock.elapsed()
      // A timer counts from the beginning of its turn of the event loop, however long ago that is: hence a turn of its own.
      await new Promise((resolve) => setImmediate(resolve))
      await assert.rejects(breaker.fire(fail, never), Outage)
      assert.equal(breaker.state, 'open')
      await breaker.admits(never)
      assert.ok(clock.elapsed() - since >= RESET_MS * 0.8, `${clock.elapsed() - since} ms`)
      assert.equal(await breaker.fire(succeed, never), 'fine')
      assert.equal(breaker.state, 'closed')
    })

    test('a probe that its caller ended proves nothing: open again', async () => {
      const { breaker } = await setUp('open')
      await breaker.admits(never)
      const caller = new AbortController()
      const probe = breaker.fire(untilAborted, caller.signal)
      caller.abort(new RangeError('changed my mind'))
      await assert.rejects(probe, RangeError)
      assert.equal(breaker.state, 'open')
    })

    test('each call has its own signal: ending one leaves the other alone', async () => {
      const { breaker } = await setUp()
      const one = new AbortController()
      const gate = Promise.withResolvers<string>()
      const first = breaker.fire(untilAborted, one.signal)
      const second = breaker.fire(() => gate.promise, never)
      one.abort(new RangeError('only me'))
      await assert.rejects(first, RangeError)
      gate.resolve('untouched')
      assert.equal(await second, 'untouched')
      assert.equal(breaker.state, 'closed')
    })

    test('waiting ends with the signal, with its reason', async () => {
      const { breaker } = await setUp('open')
      const caller = new AbortController()
      const waiting = breaker.admits(caller.signal)
      caller.abort(new RangeError('enough'))
      await assert.rejects(waiting, RangeError)
      await assert.rejects(breaker.admits(caller.signal), RangeError)
    })

    test('closing it down ends what waits and what runs', async () => {
      const { breaker } = await setUp()
      const running = breaker.fire(untilAborted, never)
      breaker.close()
      await assert.rejects(running)
      await assert.rejects(breaker.admits(never))
    })
  })
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
}
