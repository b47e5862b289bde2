// Vectors of texts on disk, found by the hash of the text: what an encoder has computed once it never computes again.
// One append-only file an encoder, so that a crash loses at most what was being written; texts are not in it.
import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FileHandle } from 'node:fs/promises'
import type { Encoder } from '../../ports/encoder.ts'

/** A record: the first bytes of the text's SHA-256, then the vector in half precision (its numbers lie in [-1, 1]). */
const KEY_BYTES = 16
const RECORDS_A_READ = 4096
/** Texts encoded before their vectors are written. */
const TEXTS_A_WRITE = 1024

/** The encoder with its memory in `file`; equal texts are encoded once. Closing closes the encoder too. */
export async function rememberingEncoder(encoder: Encoder, file: string): Promise<Encoder> {
  await mkdir(dirname(file), { recursive: true })
  const handle = await open(file, 'a+')
  const { dims } = encoder
  const record_bytes = KEY_BYTES + 2 * dims
  const places = await index(handle, record_bytes)

  async function learn(texts: readonly string[], options: Parameters<Encoder['encode']>[1], known: number) {
    for (let from = 0; from < texts.length; from += TEXTS_A_WRITE) {
      const part = texts.slice(from, from + TEXTS_A_WRITE)
      const onDone = (done: number) => options.onDone(known + from + done)
      const vectors = await encoder.encode(part, { ...options, onDone })
      const records = Buffer.alloc(part.length * record_bytes)
      part.forEach((text, at) => {
        keyOf(text).copy(records, at * record_bytes)
        const halves = Float16Array.from(vectors.subarray(at * dims, (at + 1) * dims))
        Buffer.from(halves.buffer).copy(records, at * record_bytes + KEY_BYTES)
      })
      const { size } = await handle.stat()
      const first = Math.floor(size / record_bytes)
      // A torn record of a run that was killed: what is written after it must start at a whole record.
      if (size % record_bytes !== 0) await handle.truncate(first * record_bytes)
      await handle.appendFile(records)
      part.forEach((text, at) => places.set(keyOf(text).toString('latin1'), first + at))
    }
  }

  return {
    dims,
    async encode(texts, options) {
      const keys = texts.map((text) => keyOf(text).toString('latin1'))
      const missing = new Map<string, string>()
      keys.forEach((key, at) => {
        if (!places.has(key)) missing.set(key, texts[at]!)
      })
      const byLength = [...missing.values()].sort((a, b) => a.length - b.length)
      await learn(byLength, options, texts.length - missing.size)
      const out = new Float32Array(texts.length * dims)
      const bytes = Buffer.alloc(2 * dims)
      for (let at = 0; at < keys.length; at++) {
        await handle.read(bytes, 0, bytes.length, places.get(keys[at]!)! * record_bytes + KEY_BYTES)
        out.set(new Float16Array(bytes.buffer, bytes.byteOffset, dims), at * dims)
      }
      options.onDone(texts.length)
      return out
    },
    async close() {
      await handle.close()
      await encoder.close()
    },
  }
}

function keyOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, KEY_BYTES)
}

/** Where each text's record is; a torn one at the end is left out. */
async function index(handle: FileHandle, record_bytes: number): Promise<Map<string, number>> {
  const places = new Map<string, number>()
  const records = Math.floor((await handle.stat()).size / record_bytes)
  const bytes = Buffer.alloc(RECORDS_A_READ * record_bytes)
  for (let from = 0; from < records; from += RECORDS_A_READ) {
    const count = Math.min(RECORDS_A_READ, records - from)
    await handle.read(bytes, 0, count * record_bytes, from * record_bytes)
    for (let at = 0; at < count; at++)
      places.set(bytes.toString('latin1', at * record_bytes, at * record_bytes + KEY_BYTES), from + at)
  }
  return places
}
