// A lexicon as bytes and back: three byte tables, then the word vectors' hashes and bytes. Little-endian, no compression.
// Reading checks every length; a damaged file gives undefined, never a half-read lexicon.
import type { Lexicon } from './encode.ts'
import { TABLE_BUCKETS } from './tables.ts'

/** "SLX1". */
const MAGIC = 0x31584c53
const HEADER = 12

/** Bytes: magic, words, size (uint32 each), idf, first, head, hashes (uint32 a word), vectors (size bytes a word). */
export function packLexicon({ tables, vectors }: Lexicon): Uint8Array {
  const count = vectors.rows.size
  const out = new Uint8Array(HEADER + 3 * TABLE_BUCKETS + count * 4 + vectors.bytes.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, count, true)
  view.setUint32(8, vectors.size, true)
  let at = HEADER
  for (const table of [tables.idf, tables.first, tables.head]) {
    out.set(table, at)
    at += TABLE_BUCKETS
  }
  for (const [hash, row] of vectors.rows) view.setUint32(at + row * 4, hash, true)
  out.set(new Uint8Array(vectors.bytes.buffer, vectors.bytes.byteOffset, vectors.bytes.length), at + count * 4)
  return out
}

/** Undefined where the bytes are no lexicon. Shares memory with `bytes`. */
export function unpackLexicon(bytes: Uint8Array): Lexicon | undefined {
  if (bytes.length < HEADER) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0, true) !== MAGIC) return undefined
  const count = view.getUint32(4, true)
  const size = view.getUint32(8, true)
  const words = HEADER + 3 * TABLE_BUCKETS
  if (bytes.length !== words + count * 4 + count * size) return undefined
  const table = (at: number): Uint8Array =>
    bytes.subarray(HEADER + at * TABLE_BUCKETS, HEADER + (at + 1) * TABLE_BUCKETS)
  const rows = new Map<number, number>()
  for (let row = 0; row < count; row++) rows.set(view.getUint32(words + row * 4, true), row)
  const start = bytes.byteOffset + words + count * 4
  return {
    tables: { idf: table(0), first: table(1), head: table(2) },
    vectors: { size, rows, bytes: new Int8Array(bytes.buffer, start, count * size) },
  }
}
