// Reads single files out of a zip archive (a Python wheel is one). Stored and deflated entries, no encryption, no zip64.
// PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).
import { inflateRawSync } from 'node:zlib'
import { SluiceError } from '../../core/error.ts'

const END = 0x0605_4b50
const ENTRY = 0x0201_4b50
const LOCAL = 0x0403_4b50
const END_BYTES = 22
const COMMENT_BYTES_MAX = 65_535
const STORED = 0
const DEFLATED = 8

interface Entry {
  readonly method: number
  readonly packed_bytes: number
  readonly bytes: number
  readonly at: number
}

/** The file's bytes. Throws SluiceError SL504 where the archive is none, or does not hold the file. */
export function unzip(archive: Buffer, path: string): Buffer {
  const fail = (why: string): never => {
    throw new SluiceError('SL504', `the archive ${why}`)
  }
  try {
    const entry = entries(archive).get(path)
    if (entry === undefined) return fail(`does not hold ${path}`)
    if (archive.readUInt32LE(entry.at) !== LOCAL) return fail('is damaged')
    const from = entry.at + 30 + archive.readUInt16LE(entry.at + 26) + archive.readUInt16LE(entry.at + 28)
    const packed = archive.subarray(from, from + entry.packed_bytes)
    if (entry.method === STORED) return packed
    if (entry.method !== DEFLATED) return fail(`holds ${path} in a form that is not read`)
    return inflateRawSync(packed, { maxOutputLength: Math.max(entry.bytes, 1) })
  } catch (error) {
    if (error instanceof SluiceError) throw error
    return fail(`is damaged: ${(error as Error).message}`)
  }
}

function entries(archive: Buffer): ReadonlyMap<string, Entry> {
  let end = archive.length - END_BYTES
  const least = Math.max(0, end - COMMENT_BYTES_MAX)
  while (end >= least && archive.readUInt32LE(end) !== END) end--
  if (end < least) throw new SluiceError('SL504', 'the archive is no zip file')
  const found = new Map<string, Entry>()
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    if (archive.readUInt32LE(at) !== ENTRY) throw new SluiceError('SL504', 'the archive is damaged')
    const name_bytes = archive.readUInt16LE(at + 28)
    const path = archive.toString('utf8', at + 46, at + 46 + name_bytes)
    found.set(path, {
      method: archive.readUInt16LE(at + 10),
      packed_bytes: archive.readUInt32LE(at + 20),
      bytes: archive.readUInt32LE(at + 24),
      at: archive.readUInt32LE(at + 42),
    })
    at += 46 + name_bytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
  }
  return found
}
