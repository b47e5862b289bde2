// Encoders that were pulled, in the user's cache folder: one folder each, there whole or not at all, checked when read.
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import { cacheFolder } from './cache-folder.ts'
import { encoderSchema, partSchema } from './encoder-schema.ts'
import type { EncoderFiles } from '../../ports/encoder.ts'

const FILES = { graph: 'encoder.onnx', tokenizer: 'tokenizer.json' } as const

const schema = z.strictObject({ settings: encoderSchema, graph: partSchema, tokenizer: partSchema })

const placeOf = (name: string) => join(cacheFolder(), 'encoders', name)

/** Names of what was pulled. */
export async function pulledEncoders(): Promise<readonly string[]> {
  const names = await readdir(placeOf('.')).catch(() => [])
  return names.filter((name) => !name.startsWith('.')).sort()
}

/** Throws SluiceError SL504 where it was not pulled or is damaged. */
export async function readEncoder(name: string): Promise<EncoderFiles> {
  const dir = placeOf(name)
  const missing = (error: unknown): never => {
    throw new SluiceError('SL504', `encoder ${name} is not in ${placeOf('.')}`, { cause: error })
  }
  const description = await readFile(join(dir, 'encoder.json'), 'utf8').catch(missing)
  const { settings, ...parts } = schema.parse(JSON.parse(description))
  const read = async (part: keyof typeof FILES) => {
    const file = join(dir, FILES[part])
    const bytes = await readFile(file).catch(missing)
    if (sha256Of(bytes) === parts[part].sha256) return bytes
    throw new SluiceError('SL504', `${file}: its SHA-256 is not the one it was pulled with`)
  }
  return { settings, graph: await read('graph'), tokenizer: await read('tokenizer') }
}

/** Takes the place of one of the same name. */
export async function writeEncoder({ settings, ...files }: EncoderFiles): Promise<string> {
  const dir = placeOf(settings.name)
  const draft = join(placeOf('.'), `.${settings.name}.${process.pid}`)
  await mkdir(draft, { recursive: true })
  const describe = (bytes: Uint8Array) => ({ sha256: sha256Of(bytes), bytes: bytes.length })
  await writeFile(join(draft, FILES.graph), files.graph)
  await writeFile(join(draft, FILES.tokenizer), files.tokenizer)
  const description = { settings, graph: describe(files.graph), tokenizer: describe(files.tokenizer) }
  await writeFile(join(draft, 'encoder.json'), `${JSON.stringify(description, undefined, 1)}\n`)
  await rm(dir, { recursive: true, force: true })
  await rename(draft, dir)
  return dir
}

/** Where the vectors of an encoder are kept: another graph, tokenizer or use is another file. */
export function vectorsFile({ settings, graph, tokenizer }: EncoderFiles): string {
  const digest = createHash('sha256').update(JSON.stringify(settings)).update(graph).update(tokenizer).digest('hex')
  return join(cacheFolder(), 'vectors', `${settings.name}-${digest.slice(0, 16)}.f16`)
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
