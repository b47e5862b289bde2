// Promise: whoever dies, wherever, no more is spent than there is. Real processes on a real Redis, killed with SIGKILL.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { random } from '../../src/core/random.ts'
import { CALL_TOKENS, KILLS, PROCESSES, readLog, TOKENS } from '../support/budget-caller.ts'
import { withinOneDay } from '../support/one-day.ts'
import { noRedis, startRedis } from '../support/redis.ts'
import type { OwnRedis } from '../support/redis.ts'
import { eventually } from '../support/stack.ts'

describe('fifty callers in four processes that are killed at random', { skip: noRedis }, () => {
  const CALLERS = 13
  let redis: OwnRedis
  let client: Redis | undefined
  const folder = mkdtempSync(join(tmpdir(), 'sluice-budget-'))
  const log = join(folder, 'calls')
  const running = new Set<ChildProcess>()
  before(async () => {
    redis = await startRedis()
    writeFileSync(log, '')
  })
  after(async () => {
    for (const child of running) child.kill('SIGKILL')
    client?.disconnect()
    await redis?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function start(...dies: string[]): ChildProcess {
    const script = join(import.meta.dirname, '../support/budget-caller.ts')
    const args = [script, redis.url, 'killed', log, String(CALLERS), ...dies]
    const child = spawn(process.execPath, args, { stdio: 'inherit' })
    running.add(child)
    child.once('exit', () => running.delete(child))
    return child
  }

  test('never spend more than there is, and spend what there is', (t) =>
    withinOneDay(async () => {
      const next = random(5)
      const counters = (client = new Redis(redis.url))
      await counters.flushall()
      writeFileSync(log, '')
      // The others are killed at random, and may have spent all there is before: this one is sure to be cut off.
      await once(start('20'), 'exit')
      const children = Array.from({ length: PROCESSES }, () => start())
      for (let kills = 0; kills < KILLS; kills++) {
        const at = readLog(log).length
        await eventually('some more calls', 60_000, () => readLog(log).length > at + 60 || undefined)
        const victim = Math.floor(next() * PROCESSES)
        children[victim]!.kill('SIGKILL')
        children[victim] = start()
      }
      const counted = async () => Number(await counters.hget('killed:day', 'tokens'))
      const shared = 0.9 * TOKENS
      await eventually('all is spent', 90_000, async () => (await counted()) > shared - CALL_TOKENS || undefined)
      for (const child of running) child.kill('SIGKILL')

      // At no point of the log were what was spent and what was still out together more than the budget.
      const lines = readLog(log)
      const last = new Map<string, number>()
      let [sum, most] = [0, 0]
      for (const { call, tokens } of lines) {
        sum += tokens - (last.get(call) ?? 0)
        last.set(call, tokens)
        most = Math.max(most, sum)
      }
      const ended = new Set(lines.filter((line) => line.ended).map(({ call }) => call))
      const own = lines.filter(({ purse }) => purse === 'own').length
      t.diagnostic(
        `${last.size} calls, ${last.size - ended.size} cut off; at most ${most} of ${TOKENS} tokens; ${own} lines paid alone`,
      )
      assert.ok(most <= TOKENS, `${most} of ${TOKENS}`)
      assert.ok(most > TOKENS / 2)
      assert.ok(last.size > ended.size, 'calls were cut off')
    }))
})
