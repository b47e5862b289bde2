// One event is one log line and one metric; a flood of events is neither a flood of lines nor of series.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/adapters/clock.ts'
import { createEvents } from '../../src/adapters/events.ts'
import type { EventLog } from '../../src/adapters/events.ts'
import { prometheusMetrics } from '../../src/adapters/metrics/prometheus.ts'
import { EVENTS } from '../../src/core/events.ts'
import type { EventFields, EventLevel, EventName } from '../../src/core/events.ts'
import type { Clock } from '../../src/ports/clock.ts'

const LEVELS: readonly EventLevel[] = ['debug', 'info', 'warn', 'error']

function setUp(level: EventLevel = 'info') {
  const written: { readonly level: EventLevel; readonly name: EventName; readonly fields: EventFields }[] = []
  const log: EventLog = {
    writes: (at) => LEVELS.indexOf(at) >= LEVELS.indexOf(level),
    write: (at, name, fields) => written.push({ level: at, name, fields }),
  }
  const time = { now_ms: 0 }
  const clock: Clock = { ...systemClock, elapsed: () => time.now_ms }
  const metrics = prometheusMetrics({ build: { version: '0.1.0', node: 'v24.0.0' }, withProcess: false })
  return { written, time, metrics, emit: createEvents({ log, metrics, clock }) }
}

async function valueOf(metrics: { render(): Promise<string> }, series: string): Promise<number | undefined> {
  const line = (await metrics.render()).split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

describe('an event', () => {
  test('is one line at its own level and adds its amount to its metric', async () => {
    const { emit, written, metrics } = setUp()
    emit('item.dead-lettered', { task: 'taxonomy', reason: 'tombstone', items: 3, partition: 7 })
    emit('item.dead-lettered', { task: 'taxonomy', reason: 'tombstone', items: 2 })
    const fields = { task: 'taxonomy', reason: 'tombstone', items: 3, partition: 7 }
    assert.deepEqual(written[0], { level: 'warn', name: 'item.dead-lettered', fields })
    assert.equal(await valueOf(metrics, 'sluice_dead_letters_total{task="taxonomy",reason="tombstone"}'), 5)
  })

  test('below the level of the log is counted all the same', async () => {
    const { emit, written, metrics } = setUp('info')
    emit('outcome.decided', { task: 't', outcome: 'result', tier: 'local', items: 10 })
    assert.equal(written.length, 0)
    assert.equal(await valueOf(metrics, 'sluice_outcomes_total{task="t",outcome="result",tier="local"}'), 10)
  })

  test('without an amount of its own counts one', async () => {
    const { emit, metrics } = setUp()
    emit('tier.failed', { task: 't', tier: 'local' })
    emit('tier.failed', { task: 't', tier: 'local' })
    assert.equal(await valueOf(metrics, 'sluice_tier_failures_total{task="t",tier="local"}'), 2)
  })

  test('of a gauge shows the last value, of a histogram falls into a bucket', async () => {
    const { emit, metrics } = setUp()
    emit('lag.measured', { topic: 'p', partition: 0, records: 9 })
    emit('lag.measured', { topic: 'p', partition: 0, records: 4 })
    emit('stage.timed', { task: 't', stage: 'decode', seconds: 0.0002 })
    assert.equal(await valueOf(metrics, 'sluice_lag_records{topic="p",partition="0"}'), 4)
    const bucket = (le: string) => valueOf(metrics, `sluice_stage_seconds_bucket{le="${le}",task="t",stage="decode"}`)
    assert.deepEqual([await bucket('0.0001'), await bucket('0.00025'), await bucket('60')], [0, 1, 1])
  })

  test('with an amount that is no number, or a sink that throws, harms nobody', () => {
    const { emit, metrics, time } = setUp()
    emit('stage.timed', { task: 't', stage: 'decode', seconds: Number.NaN })
    const log: EventLog = {
      writes: () => true,
      write() {
        throw new Error('disk full')
      },
    }
    const clock: Clock = { ...systemClock, elapsed: () => time.now_ms }
    createEvents({ log, metrics, clock })('breaker.changed', { provider: 'p', state: 'open' })
  })
})

describe('a flood', () => {
  test('of one event writes twenty lines a second, then says how many it left out, and counts them all', async () => {
    const { emit, written, metrics, time } = setUp()
    for (let index = 0; index < 1_000; index++) emit('tier.failed', { task: 't', tier: 'local' })
    emit('breaker.changed', { provider: 'p', state: 'open' })
    assert.equal(written.length, 21)
    time.now_ms = 1_000
    emit('tier.failed', { task: 't', tier: 'local' })
    assert.deepEqual(written.at(-1)?.fields, { task: 't', tier: 'local', left_out: 980 })
    assert.equal(await valueOf(metrics, 'sluice_tier_failures_total{task="t",tier="local"}'), 1_001)
  })

  test('of label values makes at most a thousand series and one for the rest', async () => {
    const { emit, metrics } = setUp()
    for (let index = 0; index < 5_000; index++) emit('lag.measured', { topic: 'p', partition: index, records: 1 })
    const series = (await metrics.render()).split('\n').filter((line) => line.startsWith('sluice_lag_records{'))
    assert.equal(series.length, 1_001)
    assert.ok(series.includes('sluice_lag_records{topic="other",partition="other"} 1'))
  })
})

describe('the table of events', () => {
  test('names each metric once, in the style of Prometheus', () => {
    const names = Object.values(EVENTS).map(({ metric }) => metric.name)
    assert.equal(new Set(names).size, names.length)
    for (const { metric } of Object.values(EVENTS)) {
      assert.match(metric.name, /^sluice_[a-z_]+$/)
      assert.equal(metric.type === 'counter', metric.name.endsWith('_total'), metric.name)
      if (metric.type === 'histogram') assert.match(metric.name, /_seconds$/)
    }
  })

  test('says what is running', async () => {
    const { metrics } = setUp()
    assert.equal(await valueOf(metrics, 'sluice_build_info{version="0.1.0",node="v24.0.0"}'), 1)
  })
})

describe('a log line', () => {
  test('is one line of JSON with time, level, event and fields; what is named or shaped like a secret is not in it', () => {
    const leaky =
      'Incorrect API key sk-proj-abc***xyz, Bearer SECRET, at redis://me:SECRET@host:1/0 \u001b[31m\r\n' +
      'x'.repeat(999)
    const module = new URL('../../src/adapters/log/pino.ts', import.meta.url).href
    const program = `
      const { pinoLog } = await import(${JSON.stringify(module)})
      const log = pinoLog({ level: 'info', to: 'stdout', base: { instance: 'a1' } })
      log.write('info', 'llm.called', { task: 't', status: 'ok', seconds: 1.5, token: 'SECRET', text: 'SECRET' })
      log.write('info', 'llm.called', { task: 't', status: 'ok', seconds: 1, detail: ${JSON.stringify(leaky)} })
      log.write('debug', 'llm.called', { task: 'hidden' })
      console.error(log.writes('debug'), log.writes('warn'))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
    assert.equal(stderr.trim(), 'false true')
    const lines = stdout.trim().split('\n')
    assert.equal(lines.length, 2)
    assert.doesNotMatch(stdout, /SECRET|abc|xyz|x{500}/)
    assert.ok(!stdout.includes('\u001b'))
    assert.match(lines[1]!, /Incorrect API key \[redacted\], \[redacted\] at redis:\/\/\[redacted\]@host:1/)
    const { time, ...rest } = JSON.parse(lines[0]!) as Record<string, unknown>
    assert.ok(!Number.isNaN(Date.parse(String(time))))
    const fields = { task: 't', status: 'ok', seconds: 1.5, token: '[redacted]', text: '[redacted]' }
    assert.deepEqual(rest, { level: 'info', instance: 'a1', ...fields, event: 'llm.called' })
  })
})
