// Word vectors from which words stand near each other: positive pointwise mutual information, then its largest
// eigenvectors (Levy, Goldberg, Dagan, TACL 2015) by orthogonal iteration. Deterministic; sees texts, never labels.
import { hash32, normal, random } from '../../core/random.ts'
import type { Vectors } from '../../core/pair/meaning.ts'

export interface VectorSettings {
  readonly size: number
  /** Words in fewer texts than this get no vector; at most `wordsMax` words do, the most frequent first. */
  readonly textsMin: number
  readonly wordsMax: number
  /** Words at most this far apart stand together. */
  readonly window: number
  readonly iterations: number
  readonly seed: number
}

export const DEFAULT_VECTORS: VectorSettings = {
  size: 64,
  textsMin: 2,
  wordsMax: 16_000,
  window: 5,
  iterations: 7,
  seed: 1,
}

/** Symmetric sparse matrix in rows. */
interface Sparse {
  readonly starts: Int32Array
  readonly columns: Int32Array
  readonly values: Float32Array
}

/** Vectors of the words of the texts, each text a list of stems. */
export async function learnVectors(
  texts: readonly (readonly string[])[],
  settings: VectorSettings,
  tick: (done: number) => void | Promise<void>,
): Promise<Vectors> {
  const { words, matrix } = mutualInformation(texts, settings)
  const count = words.length
  const size = Math.min(settings.size, count)
  const next = random(settings.seed)
  let basis: Float64Array = Float64Array.from({ length: count * size }, () => normal(next))
  orthonormalise(basis, count, size)
  let lengths: Float64Array = new Float64Array(size)
  for (let step = 0; step < settings.iterations; step++) {
    await tick(step)
    basis = multiply(matrix, basis, count, size)
    lengths = orthonormalise(basis, count, size)
  }
  return quantise(words, basis, lengths, size)
}

function mutualInformation(texts: readonly (readonly string[])[], settings: VectorSettings) {
  const seen = new Map<string, number>()
  for (const text of texts) for (const word of new Set(text)) seen.set(word, (seen.get(word) ?? 0) + 1)
  const words = [...seen]
    .filter(([, texts]) => texts >= settings.textsMin)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, settings.wordsMax)
    .map(([word]) => word)
  const index = new Map(words.map((word, at) => [word, at]))
  const pairs = new Map<number, number>()
  const sums = new Float64Array(words.length)
  const count = words.length
  for (const text of texts) {
    const ids = text.map((word) => index.get(word) ?? -1).filter((id) => id >= 0)
    for (let i = 0; i < ids.length; i++) {
      for (let j = Math.max(0, i - settings.window); j < i; j++) {
        if (ids[i] === ids[j]) continue
        const key = Math.min(ids[i]!, ids[j]!) * count + Math.max(ids[i]!, ids[j]!)
        pairs.set(key, (pairs.get(key) ?? 0) + 1)
        sums[ids[i]!]!++
        sums[ids[j]!]!++
      }
    }
  }
  // Context counts to the power 3/4 (ibid.): rare contexts count less.
  const context = sums.map((sum) => sum ** 0.75)
  const total = context.reduce((a, b) => a + b, 0)
  const kept: [number, number, number][] = []
  for (const [key, times] of pairs) {
    const a = Math.floor(key / count)
    const b = key % count
    const forth = Math.log((times * total) / (sums[a]! * context[b]!))
    const back = Math.log((times * total) / (sums[b]! * context[a]!))
    const value = (Math.max(0, forth) + Math.max(0, back)) / 2
    if (value > 0) kept.push([a, b, value], [b, a, value])
  }
  return { words, matrix: rowsOf(kept, count) }
}

function rowsOf(cells: readonly (readonly [number, number, number])[], count: number): Sparse {
  const starts = new Int32Array(count + 1)
  for (const [row] of cells) starts[row + 1]!++
  for (let row = 0; row < count; row++) starts[row + 1]! += starts[row]!
  const columns = new Int32Array(cells.length)
  const values = new Float32Array(cells.length)
  const at = starts.slice()
  for (const [row, column, value] of cells) {
    columns[at[row]!] = column
    values[at[row]!++] = value
  }
  return { starts, columns, values }
}

function multiply({ starts, columns, values }: Sparse, basis: Float64Array, count: number, size: number) {
  const out = new Float64Array(count * size)
  for (let row = 0; row < count; row++) {
    const base = row * size
    for (let at = starts[row]!; at < starts[row + 1]!; at++) {
      const value = values[at]!
      const other = columns[at]! * size
      for (let d = 0; d < size; d++) out[base + d]! += value * basis[other + d]!
    }
  }
  return out
}

/** Gram–Schmidt over the columns, twice for accuracy; gives back each column's first length (near its eigenvalue). */
function orthonormalise(basis: Float64Array, count: number, size: number): Float64Array {
  const lengths = new Float64Array(size)
  for (let column = 0; column < size; column++) {
    for (let pass = 0; pass < 2; pass++) {
      const dots = new Float64Array(column)
      for (let row = 0; row < count; row++) {
        const value = basis[row * size + column]!
        for (let earlier = 0; earlier < column; earlier++) dots[earlier]! += value * basis[row * size + earlier]!
      }
      let square = 0
      for (let row = 0; row < count; row++) {
        let value = basis[row * size + column]!
        for (let earlier = 0; earlier < column; earlier++) value -= dots[earlier]! * basis[row * size + earlier]!
        basis[row * size + column] = value
        square += value * value
      }
      const length = Math.sqrt(square)
      if (pass === 0) lengths[column] = length
      if (length > 1e-12) for (let row = 0; row < count; row++) basis[row * size + column]! /= length
    }
  }
  return lengths
}

/** Rows weighted by the square root of the eigenvalues, made unit, in bytes. */
function quantise(words: readonly string[], basis: Float64Array, lengths: Float64Array, size: number): Vectors {
  const bytes = new Int8Array(words.length * size)
  const rows = new Map<number, number>()
  for (const [row, word] of words.entries()) {
    let square = 0
    for (let d = 0; d < size; d++) square += basis[row * size + d]! ** 2 * lengths[d]!
    const scale = square > 0 ? 127 / Math.sqrt(square) : 0
    for (let d = 0; d < size; d++)
      bytes[row * size + d] = Math.round(basis[row * size + d]! * Math.sqrt(lengths[d]!) * scale)
    rows.set(hash32(word), row)
  }
  return { size, rows, bytes }
}
