// Several providers as one: who is asked, who is passed over, how many calls at once, and that nobody waits without need.
// Time is faked; each provider is a fake LLM behind a fake breaker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SluiceError } from '../../src/core/error.ts'
import { random } from '../../src/core/random.ts'
import { LlmRejected, LlmUnavailable } from '../../src/ports/llm.ts'
import { fakeClock } from '../fakes/clock.ts'
import { CALLS_MAX, never, providersWorld as world, request, RESET_MS } from '../support/providers-world.ts'
import type { Llm } from '../../src/ports/llm.ts'
import type { Around } from '../../src/tiers/llm-providers.ts'
import type { FakeMode } from '../fakes/llm.ts'

describe('the order of providers', () => {
  test('the first one gets every call as long as it answers; a reply says who gave it', async () => {
    const { askMany, first, second, providers } = world()
    const replies = await askMany(20)
    assert.deepEqual([first.requests.length, second.requests.length], [20, 0])
    assert.deepEqual(replies[0]!.by.provider, 'first')
    assert.deepEqual([replies[0]!.by.model, replies[0]!.by.price?.input], ['model-of-first', 1])
    assert.deepEqual(providers.degraded(), [])
  })

  test('a first one that is dead costs no call its answer nor a pause: the second one is asked at once', async () => {
    const { ask, first, clock, said, providers } = world()
    first.mode = '500'
    const reply = await ask()
    assert.deepEqual([reply.by.provider, reply.by.price?.input, clock.elapsed()], ['second', 2, 200])
    assert.deepEqual(said('llm.failed-over'), [{ provider: 'first', why: 'unavailable', to: 'second' }])
    for (let call = 0; call < 10; call++) await ask()
    assert.equal(first.requests.length, 5, 'until its breaker opens')
    assert.deepEqual(providers.degraded(), ['the LLM provider first does not answer (breaker open)'])
  })

  test('a dead one gets one probe a reset interval, and all calls again after the first good probe', async () => {
    const { ask, first, second, clock } = world()
    first.mode = '500'
    while (clock.elapsed() < 20 * RESET_MS) await ask()
    const probes = first.requests.length - 5
    assert.ok(probes >= 15 && probes <= 20, `${probes} probes in 20 intervals`)
    first.mode = 'ok'
    const before = clock.elapsed()
    while ((await ask()).by.provider === 'second') assert.ok(clock.elapsed() < before + RESET_MS + 1_000)
    const seen = second.requests.length
    for (let call = 0; call < 50; call++) await ask()
    assert.equal(second.requests.length, seen)
  })

  test('a wrong key fails over and is named, and does not end the work; put right, it is used again', async () => {
    const { ask, first, clock, said } = world()
    first.mode = '401'
    assert.equal((await ask()).by.provider, 'second')
    assert.deepEqual(said('llm.refused'), [{ provider: 'first', detail: 'fake answered 401' }])
    assert.deepEqual(said('llm.failed-over'), [{ provider: 'first', why: 'refused', to: 'second' }])
    first.mode = 'ok'
    const until = clock.elapsed() + 2 * RESET_MS
    while ((await ask()).by.provider !== 'first') assert.ok(clock.elapsed() < until)
  })

  test('all dead for ten minutes: one probe each an interval, no call given up, all answered by whoever is back first', async () => {
    const { askMany, first, second, clock } = world()
    first.mode = second.mode = '500'
    void clock.sleep(600_000).then(() => (second.mode = 'ok'))
    const replies = await askMany(30)
    assert.ok(replies.every(({ by }) => by.provider === 'second'))
    const limit = 600_000 / RESET_MS + 2 * CALLS_MAX
    assert.ok(first.requests.length < limit, `${first.requests.length} to the first`)
    assert.ok(second.requests.length < limit + 30, `${second.requests.length} to the second`)
    assert.ok(clock.elapsed() < 600_000 + 2 * RESET_MS, `${clock.elapsed()}`)
  })
})

describe('a request that is refused', () => {
  test('by a provider that has taken others is the request’s own fault: nobody else is asked', async () => {
    const { ask, first, second } = world()
    await ask()
    first.mode = '400'
    await assert.rejects(ask(), LlmRejected)
    assert.equal(second.requests.length, 0)
  })

  test('by one that never took any, and taken by the next, shows a wrong model or address: it is named', async () => {
    const { ask, first, said } = world()
    first.mode = '400'
    for (let call = 0; call < 20; call++) assert.equal((await ask()).by.provider, 'second')
    assert.equal(first.requests.length, 5, 'until its breaker opens')
    assert.equal(said('llm.refused').length, 5)
  })

  test('by one that never took any, while the one that does is away, sends nobody to review', async () => {
    const { ask, first, second, clock } = world()
    await ask()
    first.mode = '500'
    second.mode = '400'
    void clock.sleep(600_000).then(() => (first.mode = 'ok'))
    const [reply] = await Promise.all([ask(never, false), ask(never, false)])
    assert.equal(reply.by.provider, 'first')
    assert.ok(second.requests.length < 600_000 / RESET_MS + 10)
  })

  test('by all, from the start, is the text’s fault where it has neighbours, and waited out where it is alone', async () => {
    const { ask, first, second, clock, said } = world()
    first.mode = second.mode = '400'
    await assert.rejects(ask(never, false), LlmRejected)
    assert.deepEqual(said('llm.refused'), [])
    void clock.sleep(60_000).then(() => (second.mode = 'ok'))
    assert.equal((await ask(never, true)).by.provider, 'second')
    assert.ok(said('llm.refused').length >= 2)
  })

  test('by all, from the start, alone, is the text’s fault where they take the same about a harmless one', async () => {
    const { ask, first } = world(['first'])
    const isFine = ({ user }: { readonly user: string }) => !user.includes('Food 1')
    first.mode = (call) => (isFine(first.requests[call - 1]!) ? 'ok' : '400')
    await assert.rejects(ask(never, true), LlmRejected)
    const [asked, canary, again] = first.requests
    assert.equal(first.requests.length, 3)
    assert.deepEqual([canary!.system, canary!.schema], [asked!.system, asked!.schema])
    assert.equal(again!.user, asked!.user)
  })
})

describe('Retry-After', () => {
  test('holds back the provider that asked for it, and no other', async () => {
    const { ask, first, second, clock } = world()
    first.mode = '429'
    first.retryAfter_ms = 45_000
    assert.equal((await ask()).by.provider, 'second')
    first.mode = 'ok'
    while (clock.elapsed() < 44_000) assert.equal((await ask()).by.provider, 'second')
    assert.equal(first.requests.length, 1)
    await clock.sleep(1_500)
    assert.equal((await ask()).by.provider, 'first')
    assert.ok(second.requests.length > 100)
  })

  test('holds back the calls that were waiting for their turn, too', async () => {
    const { askMany, first, second } = world()
    first.mode = (call) => (call === 1 ? '429' : 'ok')
    first.retryAfter_ms = 45_000
    await askMany(5 * CALLS_MAX)
    assert.deepEqual([first.requests.length, second.requests.length], [CALLS_MAX, 4 * CALLS_MAX + 1])
  })

  test('holds back the calls that were waiting for money, too', async () => {
    const { ask, providers, first, second, clock } = world()
    const poor: Around = (_, call) => clock.sleep(1_000).then(() => call('1'))
    const waits = providers.complete(request, never, { alone: true, around: poor })
    first.mode = '429'
    first.retryAfter_ms = 45_000
    await ask()
    assert.equal((await waits).by.provider, 'second')
    assert.deepEqual([first.requests.length, second.requests.length], [1, 2])
  })

  test('that wait for money take no place from those that need not wait', async () => {
    const { ask, providers, first, clock } = world(['first'])
    const poor: Around = (_, call) => clock.sleep(60_000).then(() => call('1'))
    const waiting = Array.from({ length: CALLS_MAX }, () =>
      providers.complete(request, never, { alone: true, around: poor }),
    )
    await ask()
    assert.ok(clock.elapsed() < 60_000, `${clock.elapsed()} ms`)
    await Promise.all(waiting)
    assert.equal(first.requests.length, CALLS_MAX + 1)
  })

  test('of all is waited for, the shortest first', async () => {
    const { ask, first, second, clock } = world()
    first.mode = second.mode = '429'
    ;[first.retryAfter_ms, second.retryAfter_ms] = [50_000, 20_000]
    void clock.sleep(10_000).then(() => (first.mode = second.mode = 'ok'))
    assert.equal((await ask()).by.provider, 'second')
    assert.ok(clock.elapsed() >= 20_000 && clock.elapsed() < 21_000, `${clock.elapsed()}`)
  })
})

describe('calls at once', () => {
  /** Turns away what exceeds `free` calls at once, as a rate limit does; notes the most that it ever saw. */
  function limited(clock: { current?: ReturnType<typeof fakeClock> }, free: number) {
    const seen = { inFlight: 0, most: 0, taken: 0, turnedAway: 0 }
    const llm: Llm = {
      model: 'limited',
      async complete(_, signal) {
        seen.most = Math.max(seen.most, ++seen.inFlight)
        try {
          const over = seen.inFlight > free
          await clock.current!.sleep(over ? 10 : 200, signal)
          if (over) throw (seen.turnedAway++, new LlmUnavailable('limited answered 429', { busy: true }))
          seen.taken++
          return { text: '', finish: 'stop', usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 } }
        } finally {
          seen.inFlight--
        }
      },
    }
    return { llm, seen }
  }

  test('are as many as allowed where that is well, and never more', async () => {
    const clock: { current?: ReturnType<typeof fakeClock> } = {}
    const { llm, seen } = limited(clock, 100)
    const { askMany, clock: own } = world(['first'], { first: llm })
    clock.current = own
    await askMany(100)
    assert.deepEqual([seen.most, seen.taken], [CALLS_MAX, 100])
  })

  test('become fewer by 429s until few are turned away, and every call is answered', async () => {
    const clock: { current?: ReturnType<typeof fakeClock> } = {}
    const { llm, seen } = limited(clock, 3)
    const { askMany, clock: own, said } = world(['first'], { first: llm })
    clock.current = own
    await askMany(600)
    assert.equal(seen.taken, 600)
    assert.ok(seen.turnedAway < 150, `${seen.turnedAway} turned away for 600 answers`)
    const calls = said('llm.concurrency').map(({ calls }) => calls as number)
    assert.ok(Math.min(...calls) <= 3 && Math.max(...calls) <= CALLS_MAX, calls.join(' '))
  })

  test('a provider that is full is waited for, not passed over: the order says whom one wants to pay', async () => {
    const { askMany, first, second } = world()
    await askMany(10 * CALLS_MAX)
    assert.deepEqual([first.requests.length, second.requests.length], [10 * CALLS_MAX, 0])
  })
})

describe('the caller', () => {
  test('ends a call that waits, and one that is on its way, with its reason', async () => {
    for (const mode of ['500', 'hang'] as const) {
      const { ask, first, second, clock } = world()
      first.mode = second.mode = mode
      const caller = new AbortController()
      void clock.sleep(30_000).then(() => caller.abort(new RangeError('enough')))
      await assert.rejects(ask(caller.signal), RangeError)
    }
  })

  test('hears of an error that nobody foresaw, and the next call is not disturbed', async () => {
    const { ask, first } = world()
    const complete = first.complete.bind(first)
    first.complete = () => Promise.reject(new TypeError('a mistake of ours'))
    await assert.rejects(ask(), TypeError)
    first.complete = complete
    assert.equal((await ask()).by.provider, 'first')
  })

  test('is told of every try at a provider, before and after, by `around`', async () => {
    const { providers, first } = world()
    first.mode = '500'
    const tries: string[] = []
    await providers.complete(request, never, {
      alone: true,
      async around({ provider, model }, call) {
        tries.push(`${provider} ${model}`)
        return call(provider).finally(() => tries.push('done'))
      },
    })
    assert.deepEqual(tries, ['first model-of-first', 'done', 'second model-of-second', 'done'])
  })

  test('that throws in `around` ends the call with that, and asks nobody', async () => {
    const { providers, first, second } = world()
    const around = () => Promise.reject(new SluiceError('SL102', 'no ledger'))
    await assert.rejects(providers.complete(request, never, { alone: true, around }), { code: 'SL102' })
    assert.deepEqual([first.requests.length, second.requests.length], [0, 0])
  })
})

describe('whatever the providers do', () => {
  test('every call is answered once by one that was well, and nobody is hammered at', async () => {
    const next = random(11)
    const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)]!
    for (let round = 0; round < 10; round++) {
      const { ask, first, second, clock } = world()
      const ends = 300_000
      const trouble: readonly FakeMode[] = ['ok', 'ok', '500', '429', '401', 'ok']
      const stir = async () => {
        while (clock.elapsed() < ends) {
          for (const llm of [first, second]) {
            llm.mode = pick(trouble)
            llm.retryAfter_ms = pick([undefined, 0, 3_000, 60_000])
          }
          await clock.sleep(next() * 20_000)
        }
        first.mode = second.mode = 'ok'
      }
      let answered = 0
      const callers = Array.from({ length: 5 }, async () => {
        while (clock.elapsed() < ends) {
          const { by } = await ask()
          assert.ok(['first', 'second'].includes(by.provider))
          answered++
          await clock.sleep(next() * 4_000)
        }
      })
      await Promise.all([stir(), ...callers])
      const asked = first.requests.length + second.requests.length
      assert.ok(answered > 50, `round ${round}: ${answered} answers`)
      // Besides the answers: at most a few failures to open a breaker, and a probe an interval, for each provider.
      assert.ok(asked - answered < 2 * (5 + CALLS_MAX) * 30, `round ${round}: ${asked} calls for ${answered} answers`)
    }
  })
})
