// `sluice` as a real child process: started, watched through its log lines, stopped or killed. Must never outlive the
// test that started it.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { ROOT } from './deployment.ts'

export interface LogEvent {
  readonly event: string
  readonly [field: string]: unknown
}

export interface Sluice {
  readonly pid: number
  /** Log lines so far, in order. */
  readonly events: readonly LogEvent[]
  /** What it wrote to standard error that is no log line, and all it wrote to standard output. */
  readonly text: () => string
  /** Its last log lines and its text: what a failed test shows. */
  readonly tail: () => string
  /** The first event that matches, past or to come. Rejects when the process ends or the time is over before. */
  until(what: string, matches: (event: LogEvent) => boolean, within_ms?: number): Promise<LogEvent>
  /** Log lines of that event so far. A flood of one event is cut (adapters/events.ts): no measure of what was done. */
  count(name: string): number
  signal(name: NodeJS.Signals): void
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

export interface SluiceOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Modules loaded before the program: test/support/fault-point.ts. */
  readonly preload?: readonly string[]
}

const UNTIL_MS = 30_000
const LINES_SHOWN = 12
const children = new Set<ChildProcess>()
const endAll = (): void => {
  for (const child of children) child.kill('SIGKILL')
}
if (process.env['NODE_TEST_CONTEXT'] !== undefined) after(endAll) // what a test that failed has left running would keep the file from ending
process.once('exit', endAll)

/** `sluice ARGS…`; addresses of the servers come from our own environment. */
export function startSluice(args: readonly string[], { env = {}, preload = [] }: SluiceOptions = {}): Sluice {
  const flags = ['--disable-warning=TimeoutNegativeWarning', ...preload.flatMap((module) => ['--import', module])]
  const child = spawn(process.execPath, [...flags, join(ROOT, 'src', 'cli', 'main.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  const events: LogEvent[] = []
  const watchers = new Set<() => void>()
  let said = ''
  let over = false
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
  createInterface({ input: child.stderr }).on('line', (line) => {
    const event = parseEvent(line)
    if (event) events.push(event)
    else said += `${line}\n`
    for (const look of watchers) look()
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    over = true
    children.delete(child)
    for (const look of watchers) look()
    return (code as number | null) ?? (signal as NodeJS.Signals)
  })

  const tail = () => [...events.slice(-LINES_SHOWN).map((event) => JSON.stringify(event)), said].join('\n  ')
  return {
    pid: child.pid!,
    events,
    text: () => said,
    tail,
    until(what, matches, within_ms = UNTIL_MS) {
      return new Promise((resolve, reject) => {
        const settle = (done: () => void) => {
          clearTimeout(timer)
          watchers.delete(look)
          done()
        }
        const fail = (why: string) => settle(() => reject(new Error(`${what}: ${why}; its last lines:\n  ${tail()}`)))
        const timer = setTimeout(() => fail(`not within ${within_ms / 1000} s`), within_ms)
        let next = 0
        const look = () => {
          for (; next < events.length; next++) {
            const event = events[next]!
            if (matches(event)) return settle(() => resolve(event))
          }
          if (over) fail('the process ended')
        }
        watchers.add(look)
        look()
      })
    },
    count: (name) => events.filter(({ event }) => event === name).length,
    signal: (name) => void child.kill(name),
    ended,
  }
}

/** Runs a command to its end. */
export async function sluice(
  args: readonly string[],
  options: SluiceOptions = {},
): Promise<{ readonly code: number | NodeJS.Signals; readonly text: string; readonly events: readonly LogEvent[] }> {
  const child = startSluice(args, options)
  return { code: await child.ended, text: child.text(), events: child.events }
}

export const isRunning = ({ event, state }: LogEvent): boolean => event === 'lifecycle.changed' && state === 'running'

/** Frozen by SIGSTOP. */
export function isStopped(pid: number): boolean {
  if (process.platform !== 'linux')
    return spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).stdout.startsWith('T')
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')
}

function parseEvent(line: string): LogEvent | undefined {
  if (!line.startsWith('{"level":')) return undefined
  try {
    return JSON.parse(line) as LogEvent
  } catch {
    return undefined
  }
}
