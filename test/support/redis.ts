// A redis-server of the test's own: a child process on a free port that keeps nothing on disk, and a server that
// accepts connections and never says a word. Must never outlive the test that started it.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../scripts/stack/ports.ts'

/** Why Redis tests are skipped; false where redis-server is installed. */
export const noRedis: false | string =
  spawnSync('redis-server', ['--version']).status === 0
    ? false
    : 'redis-server is not installed (apt install redis-server)'

export interface OwnRedis {
  readonly url: string
  readonly port: number
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  stop(): Promise<void>
}

/** `port` 0: any free one. `settings` are redis.conf words: `--maxmemory`, `2mb` … */
export async function startRedis(port = 0, settings: readonly string[] = []): Promise<OwnRedis> {
  const at = port === 0 ? await freePort() : port
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
  const child = spawn(
    'redis-server',
    ['--port', String(at), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, ...settings],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const killWithUs = () => child.kill('SIGKILL')
  process.once('exit', killWithUs)
  await said(child, 'Ready to accept connections')
  return {
    url: `redis://127.0.0.1:${at}`,
    port: at,
    signal: (name) => void child.kill(name),
    async stop() {
      process.off('exit', killWithUs)
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function said(child: ChildProcess, words: string): Promise<void> {
  let output = ''
  for await (const chunk of child.stdout!) {
    output += String(chunk)
    if (output.includes(words)) {
      child.stdout!.on('error', () => {}).resume()
      return
    }
  }
  throw new Error(`redis-server ended: ${output}`)
}

/** Accepts every connection and never answers. */
export async function startBlackHole(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
