// Calls of one contestant in one file of JSON lines that only grows. A run that is killed loses no finished line: what
// the kill cut in half is skipped when the file is read again. Holds replies and digests, never a key or a prompt.
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { SluiceError } from '../../core/error.ts'
import { addUsage, NO_USAGE } from '../../core/llm/usage.ts'
import type { CallStore, StoredCall } from '../../ports/call-store.ts'

const tokens = z.int().nonnegative()

const lineSchema = z.object({
  key: z.string(),
  heard: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('reply'), text: z.string(), finish: z.enum(['stop', 'length', 'refusal']) }),
    z.object({ kind: z.literal('rejected') }),
  ]),
  usage: z.object({ inputTokens: tokens, cachedInputTokens: tokens, outputTokens: tokens }),
  reported: z.boolean(),
  elapsed_ms: z.number().nonnegative(),
})

/** Makes the file where there is none. Throws SL102 where it cannot be read or written. */
export async function openCallStore(file: string): Promise<CallStore> {
  const calls = new Map<string, StoredCall>()
  const unusable = (error: unknown) =>
    new SluiceError('SL102', `${file}: ${(error as Error).message}`, { cause: error })
  const handle = await mkdir(dirname(file), { recursive: true })
    .then(() => open(file, 'a'))
    .catch((error: unknown) => {
      throw unusable(error)
    })
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw unusable(error)
  })
  for (const line of text.split('\n')) {
    const read = parsed(line)
    if (read) calls.set(read.key, read.call)
  }
  let total = [...calls.values()].reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE)
  if (text !== '' && !text.endsWith('\n')) await handle.write('\n')
  return {
    get: (key) => calls.get(key),
    async put(key, call) {
      calls.set(key, call)
      total = addUsage(total, call.usage)
      // One write of one line: the system appends it whole.
      await handle.write(`${JSON.stringify({ key, ...call })}\n`).catch((error: unknown) => {
        throw unusable(error)
      })
    },
    flush: () =>
      handle.datasync().catch((error: unknown) => {
        throw unusable(error)
      }),
    total: () => total,
    close: () => handle.close(),
  }
}

function parsed(line: string): { key: string; call: StoredCall } | undefined {
  try {
    const { key, ...call } = lineSchema.parse(JSON.parse(line))
    return { key, call }
  } catch {
    return undefined
  }
}
