// A Python with the packages of a requirements file, in a folder of its own under Sluice's cache, made the first time it
// is asked for. Never touches the system's Python.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../../scripts/paths.ts'
import { run } from '../../scripts/process.ts'

export type Python = { readonly command: string } | { readonly missing: string }

/** PyTorch's package and what it carries along are 3 GB. */
const INSTALL_TIMEOUT_MS = 900_000

/** Gives the reason where there is no Python 3, no venv or no way to install. */
export async function pythonWith(requirements: string): Promise<Python> {
  const version = await run('python3', ['--version'], { timeout_ms: 10_000 })
  if (version.code !== 0) return { missing: 'python3 is not installed' }
  const id = createHash('sha256').update(version.output).update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const folder = join(cacheFolder(), `python-${id}`)
  const command = join(folder, 'bin', 'python')
  const done = join(folder, 'complete')
  if (existsSync(done)) return { command }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(cacheFolder(), { recursive: true })
  const venv = await run('python3', ['-m', 'venv', folder], { timeout_ms: INSTALL_TIMEOUT_MS })
  if (venv.code !== 0) return { missing: `python3 has no working venv module: ${lastLine(venv.output)}` }
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:']
  const pip = await run(command, [...install, '-r', requirements], { timeout_ms: INSTALL_TIMEOUT_MS })
  if (pip.code !== 0) return { missing: `pip cannot install ${requirements}: ${lastLine(pip.output)}` }
  mkdirSync(done)
  return { command }
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? ''
}
