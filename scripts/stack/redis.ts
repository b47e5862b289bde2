// A Redis server as a child process: nothing on disk, little memory, least recently used keys go first, as a
// cache should be. Where this machine has no redis-server there is none, and Sluice runs on its own cache.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeAtExit } from '../process.ts'
import type { Say } from '../process.ts'
import { freePort } from './ports.ts'
import { startServer } from './server.ts'
import type { LocalServer } from './server.ts'
import { aptInstall, installHint, which } from './system.ts'

const READY_TIMEOUT_MS = 10_000
const SETTINGS = ['--save', '', '--appendonly', 'no', '--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru']

export async function startRedis(say: Say): Promise<LocalServer | undefined> {
  const command = which('redis-server') ?? ((await aptInstall(['redis-server'], say)) && which('redis-server'))
  if (!command) {
    say(`running without Redis, on the in-process cache alone; to have it: ${installHint('redis-server', 'redis')}`)
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const forget = removeAtExit(folder)
  const port = await freePort()
  const spec = {
    name: 'Redis',
    command,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...SETTINGS],
    folder,
    ready: /Ready to accept connections/,
    ready_timeout_ms: READY_TIMEOUT_MS,
    remedy: `Does \`${command} --version\` run?`,
    say,
  }
  let server = await startServer(spec)
  return {
    address: `redis://127.0.0.1:${port}`,
    async start() {
      server = await startServer(spec)
    },
    kill: () => server.kill(),
    async remove() {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
      forget()
    },
  }
}
