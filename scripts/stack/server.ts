// One server as a child process in a group of its own: up when its log says so, and never left behind, even when
// this process is killed with kill -9.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { cleanUpAtExit, guard, killGroup, SetupError } from '../process.ts'
import type { Say } from '../process.ts'

export type ServerSpec = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Its working folder and data; removed by the guard if we are killed outright. */
  readonly folder: string
  readonly ready: RegExp
  readonly ready_timeout_ms: number
  readonly remedy: string
  readonly say: Say
}

/** One run of a server. */
export type Server = {
  /** Kills it at once (kill -9) and waits until it is gone. */
  kill(): Promise<void>
  /** Asks it to end, waits, and kills it after the limit. */
  end(timeout_ms: number): Promise<void>
}

/** A server with an address and data that outlive its runs. */
export type LocalServer = {
  readonly address: string
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>
  kill(): Promise<void>
  /** Kills it and removes its data. */
  remove(): Promise<void>
}

const LOG_LINES_KEPT = 30
const LOG_LINES_SHOWN = 8
const GUARD = 'kill -9 "-$1"; sleep 0.2; rm -rf -- "$2"'

/** Starts a server and resolves when a line of its log matches `ready`. Throws SetupError with its last lines. */
export async function startServer(spec: ServerSpec): Promise<Server> {
  const child = spawn(spec.command, spec.args, { cwd: spec.folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const { pid } = child
  if (pid === undefined) throw new SetupError(`${spec.name}: ${spec.command} does not run. ${spec.remedy}`)
  const dismissGuard = guard(GUARD, [String(pid), spec.folder])
  const forget = cleanUpAtExit(() => killGroup(pid))
  const log: string[] = []
  const lastLines = () => ['\n  its last lines:', ...log.slice(-LOG_LINES_SHOWN)].join('\n    ')
  let endIsNews = false // only between being up and being stopped
  void exited.then(() => {
    forget()
    dismissGuard()
    if (endIsNews) spec.say(`${spec.name} ended unexpectedly${lastLines()}`)
  })
  const stop = async (signal: 'SIGKILL' | 'SIGTERM', timeout_ms: number) => {
    endIsNews = false
    if (signal === 'SIGTERM') child.kill(signal)
    else killGroup(pid)
    const timer = setTimeout(() => killGroup(pid), timeout_ms)
    await exited
    clearTimeout(timer)
  }

  let timer: NodeJS.Timeout | undefined
  const outcome = await Promise.race([
    readyLine([child.stdout, child.stderr], spec.ready, log).then(() => 'ready' as const),
    exited.then(() => 'it ended' as const),
    new Promise<string>((resolve) => {
      timer = setTimeout(resolve, spec.ready_timeout_ms, `not ready within ${spec.ready_timeout_ms / 1000} s`)
    }),
  ])
  clearTimeout(timer)
  if (outcome !== 'ready') {
    await stop('SIGKILL', 0)
    throw new SetupError(`${spec.name} did not come up: ${outcome}. ${spec.remedy}${lastLines()}`)
  }
  endIsNews = true
  return { kill: () => stop('SIGKILL', 0), end: (timeout_ms) => stop('SIGTERM', timeout_ms) }
}

/** Keeps the last lines of the streams in `log`, for as long as they run, and resolves at the first that matches. */
function readyLine(streams: readonly Readable[], ready: RegExp, log: string[]): Promise<void> {
  return new Promise((resolve) => {
    for (const input of streams) {
      createInterface({ input }).on('line', (line) => {
        if (log.push(line) > LOG_LINES_KEPT) log.shift()
        if (ready.test(line)) resolve()
      })
    }
  })
}
