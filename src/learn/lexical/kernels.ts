// The inner loops of a fit, four float32 lanes at a time. Addresses and sizes are in bytes; columns come in multiples of
// eight. Sums run in the order of the batch.
import {
  F32,
  I32,
  V128,
  ZERO,
  add,
  get,
  i32,
  loadF32,
  loadI32,
  loadV128,
  multiply,
  set,
  splat,
  storeV128,
  subtract,
  vAdd,
  vDivide,
  vMultiply,
  vSqrt,
  vSubtract,
  whileBelow,
} from '../simd.ts'
import type { Code, Kernel } from '../simd.ts'

const LANES = 16

const at = (base: Code, index: Code): Code => add(base, multiply(index, i32(4)))
const advance = (local: number, bytes: number): Code => set(local, add(get(local), i32(bytes)))

/** Bytes that come from memory at once. */
const LINE = 64

/**
 * Reads a word of each line between the addresses `from` and `to`, which makes the cache hold them. Rows of a table lie
 * anywhere: reads that nothing waits for go to memory side by side, where those of a computation go one row after the other.
 */
const fetched = (from: number, to: number, read: number): Code =>
  whileBelow(get(from), get(to), set(read, loadI32(get(from))), advance(from, LINE))

/** Rows that are fetched together: enough to wait for side by side, few enough to stay in the first cache. */
const FETCHED = 16

/** Sums, of four columns each, that stay in registers while their addends are passed over. */
const SUMS = 8

/**
 * Code for all columns between the addresses `to` and `last`, a stretch of them at a time: first as many as there are
 * sums, then what is left, eight at a time. `stretch` is given its sums, and `to` goes on behind it.
 */
const inStretches = (to: number, last: number, sums: number, stretch: (sums: readonly number[]) => Code): Code =>
  [SUMS, 2].flatMap((count) => {
    const own = Array.from({ length: count }, (_, index) => sums + index)
    const more = add(get(to), i32((count - 1) * LANES))
    return whileBelow(more, get(last), stretch(own), advance(to, count * LANES))
  })

/** sums += weight · the columns at `from`. */
const addWeighed = (sums: readonly number[], from: number, weight: number): Code =>
  sums.flatMap((sum, index) => set(sum, vAdd(get(sum), vMultiply(get(weight), loadV128(get(from), index * LANES)))))

interface Addends {
  /** From where to where they are counted: the local that counts, its start as code, the local of its end. */
  readonly j: number
  readonly start: Code
  readonly end: number
  /** Where the weight of each lies, and the local for it. */
  readonly weights: number
  readonly weight: number
  /** Sets `from` to the columns of addend j. */
  readonly from: number
  readonly find: Code
}

/** sums = Σ weight · columns over the addends. */
const summed = (sums: readonly number[], { j, start, end, weights, weight, from, find }: Addends): Code => [
  ...sums.flatMap((sum) => set(sum, splat(ZERO))),
  ...set(j, start),
  ...whileBelow(
    get(j),
    get(end),
    set(weight, splat(loadF32(at(get(weights), get(j))))),
    find,
    addWeighed(sums, from, weight),
    advance(j, 1),
  ),
]

/**
 * (offsets, rows, ids, weights, table, columns, dense): for each row r of a batch in compressed rows, dense[r] becomes
 * Σ weights[j] · table[ids[j]] over its features j.
 */
function gather(): Kernel {
  const [offsets, rows, ids, weights, table, columns, dense] = [0, 1, 2, 3, 4, 5, 6] as const
  const [row, j, end, from, last, read, weight, sums] = [7, 8, 9, 10, 11, 12, 13, 14] as const
  const start = loadI32(at(get(offsets), get(row)))
  const find = set(from, add(get(table), multiply(loadI32(at(get(ids), get(j))), get(columns))))
  const stretch = (own: readonly number[]): Code => [
    ...summed(own, { j, start, end, weights, weight, from, find }),
    ...own.flatMap((sum, index) => storeV128(get(dense), get(sum), index * LANES)),
    ...advance(table, own.length * LANES),
  ]
  const body = whileBelow(
    get(row),
    get(rows),
    set(end, loadI32(at(get(offsets), get(row)), 4)),
    set(j, start),
    whileBelow(
      get(j),
      get(end),
      find,
      set(last, add(get(from), get(columns))),
      fetched(from, last, read),
      advance(j, 1),
    ),
    set(last, add(get(dense), get(columns))),
    inStretches(dense, last, sums, stretch),
    set(table, subtract(get(table), get(columns))),
    advance(row, 1),
  )
  const parameters = [I32, I32, I32, I32, I32, I32, I32]
  return { name: 'gather', parameters, locals: [I32, I32, I32, I32, I32, I32, V128, ...vectors(SUMS)], body }
}

const vectors = (length: number): number[] => Array.from({ length }, () => V128)

/**
 * (touched, count, offsets, rows, weights, dense, gradient, table, squares, columns, stride, kept, (1−kept)·4/columns,
 * rate, correction, ε, keep): RMSProp on the rows touched[0..count) of a table. The gradient of such a row is Σ weights[j] ·
 * dense[rows[j]] over a batch in compressed columns, j in [offsets[i], offsets[i + 1]); it is summed up in `gradient`, one
 * row for all: a gradient of the whole batch would push the table out of the cache. Rows of table and of dense are
 * `stride` long, of which `columns` are moved. All columns of a row share a mean of squared gradients, four of them, a lane
 * each: `squares` [rows × 4].
 * Row-wise second moments are what tables of embeddings are trained with where memory is what binds (Mudigere et al. 2022,
 * "Software-Hardware Co-design for Fast and Scalable Training of Deep Learning Recommendation Models"); they are corrected
 * for their start as Adam's are (Kingma & Ba 2015, section 3).
 */
function rmsprop(): Kernel {
  const [touched, count, offsets, rows, weights, dense, gradient] = [0, 1, 2, 3, 4, 5, 6] as const
  const [table, squares, columns, stride] = [7, 8, 9, 10] as const
  const scalars = [11, 12, 13, 14, 15, 16]
  const [kept, rest, rate, correction, epsilon, keep] = [17, 18, 19, 20, 21, 22] as const
  const [j, end, from, to, last, square, row] = [23, 24, 25, 26, 27, 28, 29] as const
  const [ahead, aheadEnd, all, read, weight, v, sums] = [30, 31, 32, 33, 34, 35, 36] as const
  const squareOf = (id: number): Code => add(get(squares), multiply(loadI32(get(id)), i32(LANES)))
  const rowOf = (id: number): Code => add(get(table), multiply(loadI32(get(id)), get(stride)))
  const fetch = [
    set(aheadEnd, add(get(ahead), i32(4 * FETCHED))),
    whileBelow(get(all), get(aheadEnd), set(aheadEnd, get(all))),
    whileBelow(
      get(ahead),
      get(aheadEnd),
      set(read, loadI32(squareOf(ahead))),
      set(from, rowOf(ahead)),
      set(to, add(get(from), get(columns))),
      fetched(from, to, read),
      advance(ahead, 4),
    ),
  ]
  const start = loadI32(get(offsets))
  const find = set(from, add(get(dense), multiply(loadI32(at(get(rows), get(j))), get(stride))))
  const stretch = (own: readonly number[]): Code => [
    ...summed(own, { j, start, end, weights, weight, from, find }),
    ...own.flatMap((sum, index) => [
      ...storeV128(get(to), get(sum), index * LANES),
      ...set(v, vAdd(get(v), vMultiply(get(sum), get(sum)))),
    ]),
    ...advance(dense, own.length * LANES),
  ]
  const moved = [
    storeV128(get(row), vSubtract(vMultiply(get(keep), loadV128(get(row))), vMultiply(get(v), loadV128(get(to))))),
    advance(to, LANES),
    advance(row, LANES),
  ]
  const body = [
    ...splatted(scalars, kept),
    ...set(last, add(get(gradient), get(columns))),
    ...set(ahead, get(touched)),
    ...set(all, add(get(touched), multiply(get(count), i32(4)))),
    ...whileBelow(
      get(touched),
      get(all),
      whileBelow(get(ahead), add(get(touched), i32(1)), ...fetch),
      set(end, loadI32(get(offsets), 4)),
      set(v, splat(ZERO)),
      set(to, get(gradient)),
      inStretches(to, last, sums, stretch),
      set(dense, subtract(get(dense), get(columns))),
      set(square, squareOf(touched)),
      set(v, vAdd(vMultiply(get(kept), loadV128(get(square))), vMultiply(get(rest), get(v)))),
      storeV128(get(square), get(v)),
      set(v, vDivide(get(rate), vAdd(vSqrt(vMultiply(get(v), get(correction))), get(epsilon)))),
      set(row, rowOf(touched)),
      set(to, get(gradient)),
      whileBelow(get(to), get(last), ...moved),
      advance(touched, 4),
      advance(offsets, 4),
    ),
  ]
  const parameters = [...Array.from({ length: 11 }, () => I32), ...scalars.map(() => F32)]
  const integers = Array.from({ length: 11 }, () => I32)
  const locals = [...vectors(scalars.length), ...integers, ...vectors(2 + SUMS)]
  return { name: 'rmsprop', parameters, locals, body }
}

/**
 * (gradient, end, parameters, first, second, β1, 1−β1, β2, 1−β2, rate, correction, ε, keep): AdamW (Loshchilov & Hutter,
 * algorithm 2) on one array, both moments beside it, by its gradient in [gradient, end).
 */
function adamw(): Kernel {
  const [gradient, end, parameters, first, second] = [0, 1, 2, 3, 4] as const
  const scalars = [5, 6, 7, 8, 9, 10, 11, 12]
  const [beta1, rest1, beta2, rest2, rate, correction, epsilon, keep] = [13, 14, 15, 16, 17, 18, 19, 20] as const
  const [g, m, v] = [21, 22, 23] as const
  const mix = (share: number, old: number, rest: number, value: Code): Code =>
    vAdd(vMultiply(get(share), loadV128(get(old))), vMultiply(get(rest), value))
  const deviation = vAdd(vSqrt(vMultiply(get(v), get(correction))), get(epsilon))
  const four = [
    set(g, loadV128(get(gradient))),
    set(m, mix(beta1, first, rest1, get(g))),
    set(v, mix(beta2, second, rest2, vMultiply(get(g), get(g)))),
    storeV128(get(first), get(m)),
    storeV128(get(second), get(v)),
    storeV128(
      get(parameters),
      vSubtract(vMultiply(get(keep), loadV128(get(parameters))), vDivide(vMultiply(get(rate), get(m)), deviation)),
    ),
    ...[gradient, parameters, first, second].map((local) => advance(local, LANES)),
  ]
  const body = [...splatted(scalars, beta1), ...whileBelow(get(gradient), get(end), ...four)]
  const types = [I32, I32, I32, I32, I32, ...scalars.map(() => F32)]
  return { name: 'adamw', parameters: types, locals: vectors(scalars.length + 3), body }
}

/** Scalars in all lanes of the locals from `to` on: V8 does not take that out of a loop by itself. */
const splatted = (scalars: readonly number[], to: number): Code =>
  scalars.flatMap((scalar, index) => set(to + index, splat(get(scalar))))

export const KERNELS: readonly Kernel[] = [gather(), rmsprop(), adamw()]
