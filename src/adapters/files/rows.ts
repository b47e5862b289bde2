// Reads JSON lines, plain or gzip, one value at a time; memory does not grow with the file.
// Knows nothing of what the values mean. A line that is not JSON is an error that names file and line.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { SluiceError } from '../../core/error.ts'

export interface Line {
  /** From 1. */
  readonly number: number
  readonly value: unknown
}

/** Longer lines than this are refused: no row of text is that long. */
const LINE_LENGTH_MAX = 1_000_000

/** Throws SluiceError SL102 where the file cannot be read, SL502 where a line is not JSON. Empty lines are skipped. */
export async function* readLines(file: string): AsyncGenerator<Line> {
  const source = createReadStream(file)
  const stream = file.endsWith('.gz') ? source.pipe(createGunzip()) : source
  // A pipe does not hand errors on: the reader would wait for ever.
  source.on('error', (error) => stream.destroy(error))
  let number = 0
  try {
    for await (const text of createInterface({ input: stream, crlfDelay: Infinity })) {
      number++
      if (text.trim() !== '') yield { number, value: parse(number === 1 ? unmarked(text) : text, file, number) }
    }
  } catch (error) {
    if (error instanceof SluiceError) throw error
    const short = (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR' ? 'is cut short: fetch or pack it again' : ''
    throw new SluiceError('SL102', `${file}: ${short || (error as Error).message}`, { cause: error })
  } finally {
    // Who stopped reading early must not be thrown what the rest of the file would have said.
    stream.on('error', () => {})
    stream.destroy()
    source.destroy()
  }
}

function parse(text: string, file: string, number: number): unknown {
  if (text.length > LINE_LENGTH_MAX) throw new SluiceError('SL502', `${file}, line ${number}: longer than any row`)
  try {
    return JSON.parse(text)
  } catch {
    // Without the cause: V8's message quotes the line.
    const encoded = /[\uFFFD\0]/.test(text) ? ', nor UTF-8: save the file as UTF-8' : ''
    throw new SluiceError('SL502', `${file}, line ${number}: not JSON${encoded}`)
  }
}

/** Without the byte order mark that some programs begin a file with. */
function unmarked(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

/** Hex SHA-256 of a file's bytes. Throws SluiceError SL102 where the file cannot be read. */
export async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  } catch (error) {
    throw new SluiceError('SL102', `${file}: ${(error as Error).message}`, { cause: error })
  }
  return hash.digest('hex')
}
