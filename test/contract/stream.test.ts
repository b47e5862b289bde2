// What every stream promises, said once and run on the broker in memory and on Kafka with both kinds of delivery.
// Kafka is the one that SLUICE_KAFKA names; without it its part is skipped, with the reason.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SluiceError } from '../../src/core/error.ts'
import type { ErrorCode } from '../../src/core/error.ts'
import { BatchLeft } from '../../src/ports/stream.ts'
import type { Batch, Handler, OutputRecord, Stream } from '../../src/ports/stream.ts'
import { kafkaWorld, memoryWorld, noKafka, until } from '../fakes/stream-worlds.ts'
import type { StreamWorld } from '../fakes/stream-worlds.ts'

const TEST_MS = { timeout: 60_000 }

function streamContract(name: string, make: () => Promise<StreamWorld>, skip: false | string = false): void {
  describe(`the stream contract, kept by ${name}`, { skip }, () => {
    let world: StreamWorld
    let running: { stream: Stream; ended: Promise<void> }[] = []
    beforeEach(async () => {
      world = await make()
      running = []
    })
    afterEach(async () => {
      await Promise.all(running.map(({ stream }) => stream.drain()))
      await Promise.allSettled(running.map(({ ended }) => ended))
      await world.close()
    })

    function run(handler: Handler, options = {}) {
      const stream = world.open(options)
      const ended = stream.run(handler)
      ended.catch(() => {})
      running.push({ stream, ended })
      return { stream, ended }
    }
    const echo: Handler = async (batch) => echoOf(world.output, batch)
    const texts = () => world.written().map(({ value }) => value?.toString() ?? null)
    /** Waits: Kafka says yes to the end of a transaction before readers see its offsets and records (KIP-98). */
    const committed = (partition: number, offset: number) =>
      until(`partition ${partition} committed at ${offset}`, async () => (await world.committed(partition)) === offset)
    const seen = (count: number) => until(`${count} records seen`, () => world.written().length >= count)

    test('every record is handled and its output is seen once, in the order of its partition', TEST_MS, async () => {
      await Promise.all([0, 1].map((partition) => world.produce(partition, numbered(partition, 50))))
      run(echo)
      await Promise.all([committed(0, 50), committed(1, 50), seen(100)])
      for (const partition of [0, 1])
        assert.deepEqual(
          texts().filter((text) => text?.startsWith(`${partition}:`)),
          numbered(partition, 50),
        )
    })

    test('what comes while it runs is handled too', TEST_MS, async () => {
      run(echo)
      await world.produce(0, ['one'])
      await committed(0, 1)
      await world.produce(0, ['two'])
      await committed(0, 2)
      await seen(2)
      assert.deepEqual(texts(), ['one', 'two'])
    })

    test('outputs and offset become visible together: neither before the handler is done', TEST_MS, async () => {
      await world.produce(0, ['a', 'b'])
      const [called, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      run(async (batch) => {
        called.resolve()
        await release.promise
        return echoOf(world.output, batch)
      })
      await called.promise
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.deepEqual([texts(), await world.committed(0)], [[], -1])
      release.resolve()
      await Promise.all([committed(0, 2), seen(2)])
      assert.deepEqual(texts(), ['a', 'b'])
    })

    test('keys, values and headers go through as bytes; tombstones and null keys stay null', TEST_MS, async () => {
      const odd = Buffer.from([0, 255, 128])
      await world.produce(0, [null, ''], { key: odd, headers: { h: odd, empty: Buffer.alloc(0) } })
      await world.produce(0, ['c'])
      const got: Batch['records'][number][] = []
      run(async (batch) => {
        got.push(...batch.records)
        return batch.records.map(({ key, value, headers }) => ({ topic: world.output, key, value, headers }))
      })
      await seen(3)
      for (const records of [got, world.written()])
        assert.deepEqual(
          records.map(({ key, value, headers }) => [key, value, { ...headers }]),
          [
            [odd, null, { h: odd, empty: Buffer.alloc(0) }],
            [odd, Buffer.alloc(0), { h: odd, empty: Buffer.alloc(0) }],
            [null, Buffer.from('c'), {}],
          ],
        )
      assert.deepEqual(
        got.map(({ offset }) => offset),
        ['0', '1', '2'],
      )
    })

    test('work for after the commit is done once the offset stands', TEST_MS, async () => {
      await world.produce(0, ['a'])
      const standing: number[] = []
      run(async (batch, _, afterCommit) => {
        afterCommit(async () => {
          await committed(0, 1)
          standing.push(1)
        })
        return echoOf(world.output, batch)
      })
      await until('the work is done', () => standing.length > 0)
      await seen(1)
      assert.deepEqual(standing, [1])
    })

    test('work for after the commit is not done for a batch that was not committed', TEST_MS, async () => {
      await world.produce(0, ['a'])
      const done: string[] = []
      const after = ['committed', 'otherwise'] as const
      const { ended } = run(async (_batch, _progress, afterCommit) => {
        afterCommit(
          async () => void done.push(after[0]),
          () => done.push(after[1]),
        )
        throw new SluiceError('SL203', 'on purpose')
      })
      await assert.rejects(ended, isCode('SL203'))
      assert.deepEqual(done, ['otherwise'])
    })

    test(
      'a batch that its handler leaves is not committed and nothing has failed: it is read again',
      TEST_MS,
      async () => {
        await world.produce(0, ['a'])
        let left = 0
        const open = Promise.withResolvers<Stream>()
        const first = run(async (_batch, _progress, afterCommit) => {
          afterCommit(
            async () => {},
            () => left++,
          )
          void (await open.promise).drain()
          throw new BatchLeft()
        })
        open.resolve(first.stream)
        await first.ended
        assert.deepEqual([left, texts(), await world.committed(0)], [1, [], -1])
        run(echo)
        await Promise.all([committed(0, 1), seen(1)])
      },
    )

    test('a handler that writes nothing still moves the offset', TEST_MS, async () => {
      await world.produce(1, ['a', 'b', 'c'])
      run(async () => [])
      await committed(1, 3)
      assert.deepEqual(texts(), [])
    })

    test('more records than batch_records_max come in several batches, each committed by itself', TEST_MS, async () => {
      await world.produce(0, numbered(0, 25))
      const sizes: number[] = []
      run(
        async (batch) => {
          sizes.push(batch.records.length)
          return echoOf(world.output, batch)
        },
        { batch_records_max: 10 },
      )
      await Promise.all([committed(0, 25), seen(25)])
      assert.ok(sizes.every((size) => size <= 10) && sizes.length >= 3, sizes.join())
      assert.deepEqual(texts(), numbered(0, 25))
    })

    for (const [what, error, code] of [
      ['a TypeError', new TypeError('x is not a function'), 'SL205'],
      ['a SluiceError', new SluiceError('SL302', 'no schema'), 'SL302'],
    ] as const)
      test(`when the handler throws ${what}, nothing is visible and run rejects with ${code}`, TEST_MS, async () => {
        await world.produce(0, ['a'])
        const { ended } = run(() => Promise.reject(error))
        await assert.rejects(ended, isCode(code))
        assert.deepEqual([texts(), await world.committed(0)], [[], -1])
        run(echo)
        await Promise.all([committed(0, 1), seen(1)])
        assert.deepEqual(texts(), ['a'])
      })

    test('a throw in the second batch leaves the first committed', TEST_MS, async () => {
      await world.produce(0, numbered(0, 20))
      const { ended } = run(
        async (batch) => {
          if (batch.records[0]!.offset !== '0') throw new SluiceError('SL203', 'on purpose')
          return echoOf(world.output, batch)
        },
        { batch_records_max: 10 },
      )
      await assert.rejects(ended, isCode('SL203'))
      await Promise.all([committed(0, 10), seen(10)])
      assert.deepEqual(texts(), numbered(0, 10))
    })

    test(
      'drain finishes and commits what is being handled; run resolves; nothing is handled after',
      TEST_MS,
      async () => {
        await world.produce(0, ['a', 'b'])
        const [called, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
        let calls = 0
        const { stream, ended } = run(async (batch) => {
          calls++
          called.resolve()
          await release.promise
          return echoOf(world.output, batch)
        })
        await called.promise
        const drained = stream.drain()
        await world.produce(0, ['too late'])
        setTimeout(() => release.resolve(), 100)
        await Promise.all([drained, ended])
        await Promise.all([committed(0, 2), seen(2)])
        assert.deepEqual([texts(), calls], [['a', 'b'], 1])
      },
    )

    test(
      'a handler that asks for progress during a drain gives its work up; the next member does it',
      TEST_MS,
      async () => {
        await world.produce(0, ['a'])
        const called = Promise.withResolvers<void>()
        const first = run(async (_, progress) => {
          for (;;) {
            called.resolve()
            await new Promise((resolve) => setTimeout(resolve, 10))
            await progress()
          }
        })
        await called.promise
        await first.stream.drain()
        await first.ended
        assert.deepEqual([texts(), await world.committed(0)], [[], -1])
        run(echo)
        await Promise.all([committed(0, 1), seen(1)])
        assert.deepEqual(texts(), ['a'])
      },
    )

    test('a second member goes on where the first stopped', TEST_MS, async () => {
      await world.produce(0, ['a', 'b'])
      const first = run(echo)
      await committed(0, 2)
      await first.stream.drain()
      await first.ended
      await world.produce(0, ['c'])
      run(echo)
      await Promise.all([committed(0, 3), seen(3)])
      assert.deepEqual(texts(), ['a', 'b', 'c'])
    })

    test('a member that joins takes partitions over; nothing is lost and nothing is seen twice', TEST_MS, async () => {
      run(echo)
      for (let round = 0; round < 4; round++) {
        await Promise.all([0, 1].map((partition) => world.produce(partition, numbered(partition, 10, round * 10))))
        if (round === 1) run(echo)
        if (round === 2) await running[0]!.stream.drain()
      }
      await Promise.all([committed(0, 40), committed(1, 40), seen(80)])
      for (const partition of [0, 1])
        assert.deepEqual(
          texts().filter((text) => text?.startsWith(`${partition}:`)),
          numbered(partition, 40),
        )
    })

    test('offsets that hold nothing do not stall it, at the start, between and at the end', TEST_MS, async () => {
      await world.gap(0)
      await world.produce(0, ['a'])
      await world.gap(0)
      await world.produce(0, ['b'])
      await world.gap(0)
      run(echo)
      await seen(2)
      await world.produce(0, ['c'])
      await seen(3)
      assert.deepEqual(texts(), ['a', 'b', 'c'])
    })

    test('draining twice, and before anything was fetched, is no error', TEST_MS, async () => {
      const { stream, ended } = run(echo)
      await stream.drain()
      await stream.drain()
      await ended
    })
  })
}

streamContract('the broker in memory', memoryWorld)
streamContract('Kafka, exactly once', () => kafkaWorld('exactly_once'), noKafka)
streamContract('Kafka, at least once', () => kafkaWorld('at_least_once'), noKafka)

function echoOf(topic: string, { partition, records }: Batch): OutputRecord[] {
  return records.map(({ offset, key, value }) => ({ topic, key, value, headers: { from: `${partition}/${offset}` } }))
}

function numbered(partition: number, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `${partition}:${from + index}`)
}

function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof SluiceError && error.code === code
}
