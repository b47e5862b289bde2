// A PostgreSQL 15 of the benchmark's own, installed by apt where that is allowed: a cluster in a temporary folder, reached
// by a socket there, gone with the process.
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aptInstall, installHint } from '../../scripts/stack/system.ts'
import { cleanUpAtExit } from '../../scripts/process.ts'

const BIN = '/usr/lib/postgresql/15/bin'
const PACKAGES = ['postgresql-15']
const TIMEOUT_MS = 600_000

export interface Postgres {
  /** Runs SQL (psql's own commands too); gives what it prints, unaligned. Throws where it fails. */
  sql(text: string): string
  stop(): void
}

export async function startPostgres(say: (line: string) => void): Promise<Postgres> {
  if (!existsSync(join(BIN, 'initdb')) && !(await aptInstall(PACKAGES, say)))
    throw new Error(`PostgreSQL 15 is missing: ${installHint('postgresql-15', 'postgresql@15')}`)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-postgres-'))
  const asRoot = process.getuid?.() === 0
  // The server refuses to run as root; the package made this user.
  if (asRoot) chownSync(folder, Number(output('id', ['-u', 'postgres'])), Number(output('id', ['-g', 'postgres'])))
  const run = (command: string, args: readonly string[], input?: string) =>
    asRoot
      ? output('setpriv', ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups', command, ...args], input)
      : output(command, args, input)
  const data = join(folder, 'data')
  const stop = () => {
    try {
      if (existsSync(join(data, 'postmaster.pid'))) run(join(BIN, 'pg_ctl'), ['-D', data, '-m', 'immediate', 'stop'])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const forget = cleanUpAtExit(stop)
  run(join(BIN, 'initdb'), ['-D', data, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8'])
  const settings = `-c listen_addresses= -c unix_socket_directories=${folder} -c shared_buffers=512MB -c jit=off`
  run(join(BIN, 'pg_ctl'), ['-D', data, '-l', join(folder, 'log'), '-o', settings, '-w', 'start'])
  return {
    sql: (text) =>
      run(join(BIN, 'psql'), ['-h', folder, '-d', 'postgres', '-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1'], text),
    stop() {
      forget()
      stop()
    },
  }
}

function output(command: string, args: readonly string[], input?: string): string {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    maxBuffer: 256 * 1024 * 1024,
    cwd: '/',
    ...(input === undefined ? {} : { input }),
  })
  if (done.status !== 0) throw new Error(`${command}: ${done.stderr || done.error?.message || 'failed'}`)
  return done.stdout
}
