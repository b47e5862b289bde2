// How far the batches of one folder are: one small file, written beside its place, flushed and moved there, so that a
// crash leaves the old one or the new one. Never written over what another process wrote meanwhile. Holds names and counts,
// never a key, a prompt or a text.
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import type { BatchPart, BatchStore } from '../../ports/llm-batch.ts'

const count = z.int().nonnegative()

const fileSchema = z.object({
  version: z.literal(1),
  /** What the requests were made of. */
  of: z.record(z.string(), z.string()),
  parts: z.array(
    z.object({
      name: z.string(),
      keys: z.array(z.string()),
      begun_ms: z.number(),
      id: z.string().optional(),
      end: z.object({ status: z.string(), answered: count, unanswered: count }).optional(),
    }),
  ),
})

export interface FileBatchStore extends BatchStore {
  /** What the folder was begun with: task, model, prompt; undefined where there is no file yet. */
  readonly of: Readonly<Record<string, string>> | undefined
  /** Makes the file. Throws SL102 where it cannot be written. */
  begin(of: Readonly<Record<string, string>>): Promise<void>
}

/** Throws SL102 where the file cannot be read or is not one of these. */
export async function openBatchStore(file: string): Promise<FileBatchStore> {
  const unusable = (error: unknown) =>
    new SluiceError('SL102', `${file}: ${(error as Error).message}`, { cause: error })
  const read = () =>
    readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw unusable(error)
    })
  /** As this process knows the file. */
  let text = await read()
  let of: Readonly<Record<string, string>> | undefined
  let parts: BatchPart[] = []
  if (text !== undefined) {
    const { data, success } = fileSchema.safeParse(json(text))
    if (!success) throw unusable(new Error('not a file of batches, or damaged'))
    of = data.of
    parts = data.parts
  }

  async function write(): Promise<void> {
    // Two that hand in what both believe to be missing would pay for it twice.
    if ((await read()) !== text)
      throw unusable(new Error('another process works in this folder: let it end, then run this again'))
    const next = JSON.stringify({ version: 1, of, parts })
    try {
      await mkdir(dirname(file), { recursive: true })
      const temporary = `${file}.part`
      const handle = await open(temporary, 'w')
      try {
        await handle.writeFile(next)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, file)
      text = next
    } catch (error) {
      throw unusable(error)
    }
  }

  return {
    get of() {
      return of
    },
    begin(next) {
      of = next
      return write()
    },
    parts: () => parts,
    put(at, part) {
      parts = at < parts.length ? parts.with(at, part) : [...parts, part]
      return write()
    },
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
