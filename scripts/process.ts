// Running other programs: to their end (`run`), in the foreground (`foreground`), and none left behind when we
// exit. Signals to us have one handler at a time: whoever is waiting says what Ctrl-C means.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { rmSync } from 'node:fs'

export type Say = (line: string) => void
export type StopSignal = 'SIGINT' | 'SIGTERM'

/** A fault of the set-up that the person at the terminal can mend: printed as one line, without a stack trace. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}

const OUTPUT_CHARS_MAX = 64 * 1024
const PARENT_POLL_MS = 1_000

const cleanups = new Set<() => void>()
let onSignal: (signal: StopSignal) => void = exitOn

function exitOn(signal: StopSignal): void {
  process.exit(128 + constants.signals[signal])
}

process.on('exit', () => {
  for (const cleanup of cleanups) cleanup()
})

/** Runs `cleanup`, which must be synchronous, if this process exits before the returned function is called. */
export function cleanUpAtExit(cleanup: () => void): () => void {
  cleanups.add(cleanup)
  return () => cleanups.delete(cleanup)
}

/** Removes a draft folder at exit, so that an interrupted set-up leaves no half of anything. */
export function removeAtExit(folder: string): () => void {
  return cleanUpAtExit(() => rmSync(folder, { recursive: true, force: true }))
}

/** SIGINT and SIGTERM, and the death of scripts/setup.mjs above us, end this process or go to `onStopSignal`. */
export function handleSignals(): void {
  process.on('SIGINT', () => onSignal('SIGINT'))
  process.on('SIGTERM', () => onSignal('SIGTERM'))
  const parent = Number(process.env['SLUICE_SETUP_PID'])
  if (parent === process.ppid) {
    setInterval(() => process.ppid === parent || onSignal('SIGTERM'), PARENT_POLL_MS).unref()
  }
}

/** Sends signals to `handler` until the returned function is called. */
export function onStopSignal(handler: (signal: StopSignal) => void): () => void {
  const before = onSignal
  onSignal = handler
  return () => {
    onSignal = before
  }
}

export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // already gone
  }
}

/**
 * Runs a shell script when this process ends before the returned function is called, however it ends: a shell waits
 * for our end of a pipe to close, which even kill -9 does.
 */
export function guard(script: string, args: readonly string[], options: GuardOptions = {}): () => void {
  const shell = spawn('/bin/sh', ['-c', `cat >/dev/null; ${script}`, 'guard', ...args], {
    ...options,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.unref()
  shell.stdin.on('error', () => {}) // the guard was dismissed: nobody is left to read
  return () => shell.pid !== undefined && killGroup(shell.pid)
}

export type GuardOptions = { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv }

export type RunResult = { readonly code: number | undefined; readonly output: string }
export type RunOptions = { readonly timeout_ms: number; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv }

/** Runs a program to its end. `code` is undefined when it is missing or ran past the limit; output is its tail. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const kill = () => child.pid !== undefined && killGroup(child.pid)
    const keep = cleanUpAtExit(kill)
    const timer = setTimeout(kill, options.timeout_ms)
    let output = ''
    const collect = (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_CHARS_MAX)
    }
    const end = (code: number | undefined) => {
      clearTimeout(timer)
      keep()
      resolve({ code, output })
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.once('error', () => end(undefined))
    child.once('close', (code) => end(code ?? undefined))
  })
}

/** Runs this Node with our own flags on `args`, on our terminal, passes signals on, and gives the exit code. */
export function foreground(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, ...args], { cwd, env, stdio: 'inherit' })
    const restore = onStopSignal((signal) => {
      // a terminal sends Ctrl-C to the child as well; twice would turn its drain into a kill
      if (signal === 'SIGTERM' || !process.stdin.isTTY) child.kill(signal)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      restore()
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])
    })
  })
}
