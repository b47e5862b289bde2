// A process of many callers on one budget in Redis, for the test that kills it: `node budget-caller.ts URL SCOPE LOG CALLERS
// [DIES]`; DIES: its call of that number kills the process.
// What it does stands in the log before it counts: a call's start after its reservation, its end before its settlement.
import { appendFileSync, readFileSync } from 'node:fs'
import { systemClock } from '../../src/adapters/clock.ts'
import { memoryBudget } from '../../src/adapters/memory/budget.ts'
import { redisBudget } from '../../src/adapters/redis/budget.ts'
import { redisServer } from '../../src/adapters/redis/server.ts'
import { sharesOf } from '../../src/core/llm/budget.ts'
import { silent } from '../../src/ports/events.ts'
import type { BudgetSettings } from '../../src/core/llm/budget.ts'
import type { History, Purse } from '../../src/ports/budget.ts'

/** SLUICE_KILLS=50 for a long test. */
export const KILLS = Number(process.env['SLUICE_KILLS'] ?? 2)
export const TOKENS = 125_000 * KILLS
const USD = TOKENS / 1e6
export const PROCESSES = 4
/** The most of one call. */
export const CALL_TOKENS = 1_000
const SETTINGS: BudgetSettings = { minute: {}, day: { tokens: TOKENS, usd: USD }, tasks: {} }

export interface Logged {
  readonly call: string
  readonly purse: Purse
  /** Reserved, or spent once the call has ended. */
  readonly tokens: number
  readonly ended: boolean
}

export function readLog(file: string): Logged[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Logged)
}

async function main(url: string, scope: string, log: string, callers: number, dies: number): Promise<void> {
  const { shared, own } = sharesOf(true, PROCESSES)
  const history: History = async (purse) => {
    const last = new Map(readLog(log).map((line) => [line.call, line]))
    const paid = [...last.values()].filter((line) => line.purse === purse)
    return paid.map(({ tokens }) => ({ task: 'any', at_ms: Date.now(), tokens, nanousd: tokens * 1_000 }))
  }
  const server = redisServer({ url, clock: systemClock, emit: silent })
  const alone = memoryBudget({ settings: SETTINGS, share: own, history, clock: systemClock })
  const budget = redisBudget(server, {
    settings: SETTINGS,
    share: shared,
    scope,
    history,
    own: alone,
    clock: systemClock,
    emit: silent,
  })
  await server.ready(5_000)
  let calls = 0
  const caller = async () => {
    for (;;) {
      const most = 1 + Math.floor(Math.random() * CALL_TOKENS)
      const said = await budget.reserve('any', { tokens: most, nanousd: most * 1_000 })
      if (said.kind === 'over') {
        await systemClock.sleep(Math.min(said.wait_ms, 5 + Math.random() * 20))
        continue
      }
      const call = `${process.pid}-${++calls}`
      const note = (tokens: number, ended: boolean) =>
        appendFileSync(log, `${JSON.stringify({ call, purse: said.purse, tokens, ended } satisfies Logged)}\n`)
      note(most, false)
      if (calls === dies) process.kill(process.pid, 'SIGKILL')
      await systemClock.sleep(Math.random() * 10)
      const spent = Math.floor(Math.random() * (most + 1))
      note(spent, true)
      await said.settle({ tokens: spent, nanousd: spent * 1_000 })
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

if (import.meta.main) {
  const [url, scope, log, callers, dies] = process.argv.slice(2)
  await main(url!, scope!, log!, Number(callers), Number(dies))
}
