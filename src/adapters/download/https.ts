// Fetches a file by https and keeps it only if it is the very file that was promised. Goes on where it was cut off.
// Every wait is finite. Nothing that was fetched is run.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { SluiceError } from '../../core/error.ts'

export interface Promised {
  /** Hex SHA-256 of the whole file. */
  readonly sha256: string
  /** Where it is known. */
  readonly bytes?: number | undefined
}

export interface FetchOptions {
  readonly signal: AbortSignal
  readonly onBytes: (done: number, total: number | undefined) => void
}

const IDLE_TIMEOUT_MS = 30_000
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/**
 * Leaves the file at `to`. A `.part` beside it from a run that was cut off is continued (Range). Throws SluiceError
 * SL504 where the address does not answer or the file is another one; the signal's reason when aborted.
 */
export async function fetchFile(url: string, to: string, promised: Promised, options: FetchOptions): Promise<void> {
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.has(hostname)))
    throw new SluiceError('SL504', `${url}: an https address is needed`)
  const part = `${to}.part`
  const have = await stat(part).then(
    ({ size }) => size,
    () => 0,
  )
  await receive(url, part, have, promised, options)
  const { size } = await stat(part)
  const digest = await sha256Of(part)
  if (digest === promised.sha256) return rename(part, to)
  await rm(part)
  throw new SluiceError('SL504', `${url}: ${size} bytes with SHA-256 ${digest}, not ${promised.sha256}; thrown away`)
}

async function receive(url: string, part: string, have: number, promised: Promised, options: FetchOptions) {
  const { signal, onBytes } = options
  if (promised.bytes !== undefined && have === promised.bytes) return
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(new Error(`no byte for ${IDLE_TIMEOUT_MS / 1000} s`)), IDLE_TIMEOUT_MS)
  try {
    const response = await fetch(url, {
      headers: have > 0 ? { range: `bytes=${have}-` } : {},
      signal: AbortSignal.any([signal, idle.signal]),
    })
    // 416: the part is whole already, or longer than the file: its digest says which.
    if (response.status === 416) return
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`)
    const from = response.status === 206 ? have : 0
    const length = Number(response.headers.get('content-length') ?? NaN)
    const total = promised.bytes ?? (Number.isFinite(length) ? from + length : undefined)
    const file = await open(part, from > 0 ? 'a' : 'w')
    try {
      let done = from
      for await (const chunk of response.body) {
        timer.refresh()
        await file.appendFile(chunk)
        done += chunk.length
        if (promised.bytes !== undefined && done > promised.bytes)
          throw new Error(`more than the promised ${promised.bytes} bytes`)
        onBytes(done, total)
      }
    } finally {
      await file.close()
    }
  } catch (error) {
    signal.throwIfAborted()
    const { message, cause } = error as Error
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message
    throw new SluiceError('SL504', `${url}: ${why}; the next try goes on from here`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
