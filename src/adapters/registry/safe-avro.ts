// Walks Avro bytes along their schema before they are decoded, so that a few hostile bytes cannot cost seconds or memory.
// avsc 5.7 trusts block counts: a map of 2^32 entries blocks the loop for 20 s, an array of 2^32-1 aborts the process.
// Nothing is decoded here.
import type { Type } from 'avsc'

const DEPTH_MAX = 64
/** Elements that take no bytes (null, empty records) cannot be checked against the bytes left; so many in one value. */
const EMPTY_ELEMENTS_MAX = 10_000

interface Budget {
  empties: number
}

export class UnsafeAvro extends Error {
  override readonly name = 'UnsafeAvro'
}

interface Shape extends Type {
  readonly fields?: readonly { readonly type: Shape }[]
  readonly itemsType?: Shape
  readonly valuesType?: Shape
  readonly types?: readonly Shape[]
  readonly size?: number
  readonly underlyingType?: Shape
}

/** Only arrays, maps and recursive records can lie about how much there is to decode. */
export function needsScan(type: Type, seen = new Set<Type>()): boolean {
  const shape = type as Shape
  if (seen.has(shape)) return true
  const inner = [...(shape.fields ?? []).map((field) => field.type), ...(shape.types ?? [])]
  if (shape.underlyingType) inner.push(shape.underlyingType)
  if (shape.itemsType || shape.valuesType) return true
  if (inner.length === 0) return false
  const path = new Set(seen).add(shape)
  return inner.some((it) => needsScan(it, path))
}

/** Throws UnsafeAvro where the bytes claim more than they hold, nest deeper than 64 or go on after the value. */
export function scan(type: Type, bytes: Buffer, start: number): void {
  const end = skip(type as Shape, bytes, start, 0, { empties: EMPTY_ELEMENTS_MAX })
  if (end !== bytes.length) throw new UnsafeAvro(`${bytes.length - end} bytes after the value`)
}

function skip(type: Shape, bytes: Buffer, at: number, depth: number, budget: Budget): number {
  if (depth > DEPTH_MAX) throw new UnsafeAvro(`nested deeper than ${DEPTH_MAX}`)
  switch (type.typeName) {
    case 'null':
      return at
    case 'boolean':
      return within(bytes, at + 1)
    case 'float':
      return within(bytes, at + 4)
    case 'double':
      return within(bytes, at + 8)
    case 'int':
    case 'long':
    case 'enum':
      return readLong(bytes, at).end
    case 'string':
    case 'bytes': {
      const { value, end } = readLong(bytes, at)
      if (value < 0) throw new UnsafeAvro('negative length')
      return within(bytes, end + value)
    }
    case 'fixed':
      return within(bytes, at + (type.size ?? 0))
    case 'record':
    case 'error':
      return (type.fields ?? []).reduce((position, field) => skip(field.type, bytes, position, depth + 1, budget), at)
    case 'union:wrapped':
    case 'union:unwrapped': {
      const { value, end } = readLong(bytes, at)
      const branch = type.types?.[value]
      if (!branch) throw new UnsafeAvro(`union branch ${value} out of range`)
      return skip(branch, bytes, end, depth + 1, budget)
    }
    case 'array':
      return skipBlocks(bytes, at, budget, (position) => skip(type.itemsType!, bytes, position, depth + 1, budget))
    case 'map':
      return skipBlocks(bytes, at, budget, (position) => {
        const key = readLong(bytes, position)
        if (key.value < 0) throw new UnsafeAvro('negative length')
        return skip(type.valuesType!, bytes, within(bytes, key.end + key.value), depth + 1, budget)
      })
    default:
      if (type.underlyingType) return skip(type.underlyingType, bytes, at, depth + 1, budget)
      throw new UnsafeAvro(`type ${type.typeName} is not supported`)
  }
}

function skipBlocks(bytes: Buffer, start: number, budget: Budget, element: (at: number) => number): number {
  let at = start
  for (;;) {
    const count = readLong(bytes, at)
    at = count.end
    if (count.value === 0) return at
    let left = count.value
    if (left < 0) {
      left = -left
      const size = readLong(bytes, at)
      at = size.end
      if (size.value < 0) throw new UnsafeAvro('negative block size')
      within(bytes, at + size.value)
    }
    for (; left > 0; left--) {
      const next = element(at)
      if (next === at && --budget.empties < 0) throw new UnsafeAvro('too many empty elements')
      at = next
    }
  }
}

function within(bytes: Buffer, end: number): number {
  if (end > bytes.length) throw new UnsafeAvro(`${end - bytes.length} bytes missing`)
  return end
}

/** A zig-zag varint (Avro specification, "Binary Encoding"); at most 10 bytes, exact below 2^53. */
function readLong(bytes: Buffer, start: number): { value: number; end: number } {
  let unsigned = 0
  let factor = 1
  for (let at = start; at < start + 10; at++) {
    const byte = bytes[at]
    if (byte === undefined) throw new UnsafeAvro('a number is cut off')
    unsigned += (byte & 0x7f) * factor
    if (byte < 0x80) return { value: unsigned % 2 === 0 ? unsigned / 2 : -(unsigned + 1) / 2, end: at + 1 }
    factor *= 128
  }
  throw new UnsafeAvro('a number is longer than 10 bytes')
}
