// Files that appear whole or not at all: written beside their place, then moved there.
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { SluiceError } from '../../core/error.ts'

/** Throws SL102 where the file could not be written; leaves nothing behind. */
export async function checkWritable(file: string): Promise<void> {
  await beside(file, (temporary) => writeFile(temporary, ''), { keep: false })
}

/** Lines, each ended by a newline; gzip where the name ends in .gz. Throws SL102 where it cannot be written; what the lines throw leaves nothing behind. */
export async function writeLines(file: string, lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  async function* ended() {
    for await (const line of lines) yield `${line}\n`
  }
  await beside(file, (temporary) => {
    const to = createWriteStream(temporary)
    return file.endsWith('.gz')
      ? pipeline(Readable.from(ended()), createGzip(), to)
      : pipeline(Readable.from(ended()), to)
  })
}

async function beside(
  file: string,
  write: (temporary: string) => Promise<void>,
  { keep = true }: { readonly keep?: boolean } = {},
): Promise<void> {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.part`)
  try {
    await mkdir(dirname(file), { recursive: true })
    await write(temporary)
    if (keep) await rename(temporary, file)
    else await rm(temporary)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    const { code, message } = error as NodeJS.ErrnoException
    if (code === undefined || error instanceof SluiceError) throw error
    throw new SluiceError('SL102', `${file} cannot be written: ${message}`, { cause: error })
  }
}
