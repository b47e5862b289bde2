// Programs of this machine that npm cannot bring: looked up in PATH, installed by apt only where we are root.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from '../process.ts'
import type { Say } from '../process.ts'

const INSTALL_TIMEOUT_MS = 5 * 60_000

/** The path of a program in PATH. */
export function which(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

let lastInstall: Promise<unknown> = Promise.resolve()

/** Installs the first of `packages` that apt has; false where apt may not be used or has none of them. */
export function aptInstall(packages: readonly string[], say: Say): Promise<boolean> {
  const install = lastInstall.then(() => aptInstallNow(packages, say)) // apt lets nobody in beside itself
  lastInstall = install
  return install
}

async function aptInstallNow(packages: readonly string[], say: Say): Promise<boolean> {
  const apt = which('apt-get')
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || apt === undefined) return false
  // RUNLEVEL=1: packages with a service do not start it
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const options = { env, timeout_ms: INSTALL_TIMEOUT_MS }
  say(`installing ${packages[0]} with apt-get`)
  await run(apt, ['update', '-qq'], options)
  for (const name of packages) {
    const result = await run(apt, ['install', '-y', '-qq', '--no-install-recommends', name], options)
    if (result.code === 0) return true
  }
  return false
}

/** The command that installs something by hand, for this kind of machine. */
export function installHint(aptName: string, brewName: string): string {
  return process.platform === 'darwin' ? `brew install ${brewName}` : `sudo apt-get install -y ${aptName}`
}
