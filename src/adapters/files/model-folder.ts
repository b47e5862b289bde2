// Model folders on disk: manifest.json, model.onnx, labels.json, calibration.json, card.md.
// A folder is checked whole before anything of it is used, and written whole or not at all.
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import { encoderSchema, partSchema } from './encoder-schema.ts'
import type { LabelPath } from '../../core/labels.ts'
import type { Manifest, ModelFolder, Part } from '../../ports/manifest.ts'

const share = z.number().min(0).max(1)

const dataSchema = z.array(z.strictObject({ file: z.string(), rows: z.int(), sha256: z.string() }))

const goldenSchema = z.array(z.strictObject({ texts: z.array(z.string()), probabilities: z.array(share) })).nonempty()

const certificateSchema = z.strictObject({
  method: z.literal('fixed-sequence'),
  precision: share,
  delta: share,
  bound: share,
  threshold: share,
  rows: z.int(),
  passed: z.int(),
  errors: z.int(),
  grid: z.array(share).nonempty(),
  tested: z.int().positive(),
  data: dataSchema,
})

const isotonicSchema = z.strictObject({ at: z.array(share).nonempty(), value: z.array(share).nonempty() })

const calibrationSchema = z.strictObject({
  method: z.enum(['temperature', 'isotonic', 'vector', 'nearest']),
  isotonic: z.array(isotonicSchema).optional(),
  nearest: z.array(z.strictObject({ bias: z.number(), own: z.number().min(0), near: z.number().min(0) })).optional(),
  golden: goldenSchema.optional(),
})

const manifestSchema = z.strictObject({
  format: z.literal(1),
  kind: z.enum(['lexical', 'pair', 'encoder', 'stack', 'pair-stack', 'imported']),
  model: partSchema,
  parts: z.record(z.string().regex(/^[a-z0-9-]+\.[a-z]+$/), partSchema),
  labels: z.strictObject({ digest: z.string(), levels: z.int().positive(), paths: z.int().positive() }),
  segments: z.array(z.string()).nonempty(),
  normaliser: z.int(),
  features: z.looseObject({ version: z.number() }).catchall(z.number()),
  encoder: encoderSchema.optional(),
  ask: z.number().min(0).max(2).optional(),
  temperatures: z.array(z.number().positive()),
  thresholds: z.array(share).nonempty(),
  offsets: z.union([z.array(z.number()), z.array(z.array(z.number()).nonempty()).nonempty()]).optional(),
  certificate: certificateSchema.optional(),
  calibration: calibrationSchema.optional(),
  data: dataSchema,
  golden: goldenSchema,
})

const labelsSchema = z.object({ paths: z.array(z.array(z.string().min(1)).nonempty()).nonempty() })

/** Reads and checks a folder. Throws SluiceError SL501 naming the file and what is wrong with it. */
export async function readModelFolder(dir: string): Promise<ModelFolder> {
  const manifestBytes = await part(dir, 'manifest.json')
  const manifest: Manifest = parsed(join(dir, 'manifest.json'), manifestBytes, manifestSchema)
  const model = await checked(dir, 'model.onnx', manifest.model)
  const parts: Record<string, Uint8Array> = {}
  for (const [name, expected] of Object.entries(manifest.parts)) parts[name] = await checked(dir, name, expected)
  const { paths } = parsed(join(dir, 'labels.json'), await part(dir, 'labels.json'), labelsSchema)
  if (labelsDigest(paths) !== manifest.labels.digest)
    damaged(join(dir, 'labels.json'), 'its label set is not the manifest’s')
  if (manifest.thresholds.length !== manifest.labels.levels)
    damaged(join(dir, 'manifest.json'), `${manifest.labels.levels} levels but ${manifest.thresholds.length} thresholds`)
  const { method, isotonic, nearest } = manifest.calibration ?? {}
  for (const maps of [isotonic, nearest ?? (method === 'nearest' ? [] : undefined)])
    if (maps !== undefined && maps.length !== manifest.labels.levels)
      damaged(join(dir, 'manifest.json'), `${manifest.labels.levels} levels but calibration of ${maps.length}`)
  return { dir, manifest, digest: sha256Hex(manifestBytes).slice(0, 16), model, parts, labelPaths: paths }
}

/** Everything of a folder but the digests, which are computed while writing. */
export interface NewModelFolder {
  readonly manifest: Omit<Manifest, 'model' | 'parts' | 'labels'>
  readonly model: Uint8Array
  /** Further files that serving reads, by name; the manifest holds their digests. */
  readonly parts: Readonly<Record<string, Uint8Array>>
  readonly labelPaths: readonly LabelPath[]
  /** Further files by name: calibration.json, card.md. */
  readonly files: Readonly<Record<string, string>>
}

/**
 * Writes the folder beside its place and moves it there, so that an interrupted run leaves nothing half-written.
 * Replaces a folder that is a model folder already; throws SL102 rather than replace anything else.
 */
export async function writeModelFolder(dir: string, folder: NewModelFolder): Promise<void> {
  const manifest: Manifest = {
    ...folder.manifest,
    model: describePart(folder.model),
    parts: Object.fromEntries(Object.entries(folder.parts).map(([name, bytes]) => [name, describePart(bytes)])),
    labels: {
      digest: labelsDigest(folder.labelPaths),
      levels: folder.labelPaths[0]?.length ?? 0,
      paths: folder.labelPaths.length,
    },
  }
  const temporary = join(dirname(dir), `.${basename(dir)}.${process.pid}.part`)
  await mkdir(temporary, { recursive: true })
  try {
    const write = (name: string, content: string | Uint8Array) => writeFile(join(temporary, name), content)
    await write('model.onnx', folder.model)
    for (const [name, bytes] of Object.entries(folder.parts)) await write(name, bytes)
    await write('labels.json', pathsJson(folder.labelPaths))
    for (const [name, content] of Object.entries(folder.files)) await write(name, content)
    await write('manifest.json', `${JSON.stringify(manifestSchema.parse(manifest), undefined, 1)}\n`)
    await checkRoom(dir)
    await swap(temporary, dir)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw error
  }
}

/** Throws SL102 where the place is taken by something that is no model folder. */
export async function checkRoom(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw new SluiceError('SL102', `${dir} is no folder that can be replaced`, { cause: error })
  })
  if (names.length > 0 && !names.includes('manifest.json'))
    throw new SluiceError('SL102', `${dir} holds other files and is not replaced: name an empty folder`)
}

/** Puts a folder in the place of another one, which is only removed once the new one stands: two renames, no copy. */
async function swap(from: string, dir: string): Promise<void> {
  const old = join(dirname(dir), `.${basename(dir)}.${process.pid}.old`)
  const replaces = await rename(dir, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
  await rename(from, dir).catch(async (error: unknown) => {
    if (replaces) await rename(old, dir)
    throw error
  })
  if (replaces) await rm(old, { recursive: true, force: true })
}

/** One path a line: a label set that people can read and diff. */
function pathsJson(paths: readonly LabelPath[]): string {
  return `{"paths": [\n${paths.map((path) => `  ${JSON.stringify(path)}`).join(',\n')}\n]}\n`
}

/** The digest of a label set: 16 hex digits over its sorted paths. */
function labelsDigest(paths: readonly LabelPath[]): string {
  return createHash('sha256').update(JSON.stringify(paths)).digest('hex').slice(0, 16)
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function describePart(bytes: Uint8Array): Part {
  return { sha256: sha256Hex(bytes), bytes: bytes.length }
}

async function checked(dir: string, name: string, expected: Part): Promise<Uint8Array> {
  const bytes = await part(dir, name)
  if (bytes.length !== expected.bytes)
    damaged(join(dir, name), `${bytes.length} bytes, the manifest says ${expected.bytes}`)
  if (sha256Hex(bytes) !== expected.sha256) damaged(join(dir, name), 'its SHA-256 is not the manifest’s')
  return bytes
}

async function part(dir: string, name: string): Promise<Uint8Array> {
  return readFile(join(dir, name)).catch((error: unknown) => {
    throw new SluiceError('SL501', `${join(dir, name)} is missing or cannot be read`, { cause: error })
  })
}

function parsed<T>(file: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw new SluiceError('SL501', `${file}: ${why}`, { cause: error })
  }
}

function damaged(file: string, why: string): never {
  throw new SluiceError('SL501', `${file}: ${why}`)
}
