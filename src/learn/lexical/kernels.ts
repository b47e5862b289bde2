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

/**
 * (offsets, rows, ids, weights, table, columns, dense): for each row r of a batch in compressed rows and each of
 * its features j, `gather`: dense[r] += weights[j] · table[ids[j]]; `scatter`: table[ids[j]] += weights[j] · dense[r].
 */
function sparse(name: 'gather' | 'scatter'): Kernel {
  const [offsets, rows, ids, weights, table, columns, dense] = [0, 1, 2, 3, 4, 5, 6] as const
  const [row, j, end, embedding, sums, sumsEnd, weight] = [7, 8, 9, 10, 11, 12, 13] as const
  const [to, from] = name === 'gather' ? [sums, embedding] : [embedding, sums]
  const four = (offset: number): Code => {
    const product = vMultiply(get(weight), loadV128(get(from), offset))
    return storeV128(get(to), vAdd(loadV128(get(to), offset), product), offset)
  }
  const feature = [
    set(weight, splat(loadF32(at(get(weights), get(j))))),
    set(embedding, add(get(table), multiply(loadI32(at(get(ids), get(j))), get(columns)))),
    set(sums, get(dense)),
    whileBelow(get(sums), get(sumsEnd), four(0), four(LANES), advance(sums, 2 * LANES), advance(embedding, 2 * LANES)),
    advance(j, 1),
  ]
  const body = whileBelow(
    get(row),
    get(rows),
    set(j, loadI32(at(get(offsets), get(row)))),
    set(end, loadI32(at(get(offsets), get(row)), 4)),
    set(sumsEnd, add(get(dense), get(columns))),
    whileBelow(get(j), get(end), ...feature),
    set(dense, get(sumsEnd)),
    advance(row, 1),
  )
  const parameters = [I32, I32, I32, I32, I32, I32, I32]
  return { name, parameters, locals: [I32, I32, I32, I32, I32, I32, V128], body }
}

/**
 * (touched, count, gradient, table, squares, columns, stride, kept, (1−kept)·4/columns, rate, correction, ε, keep):
 * RMSProp on the rows touched[0..count) of a table by their gradients, which are set to nothing on the way; both lie
 * `stride` apart. All columns of a row share a mean of squared gradients, four of them, a lane each: `squares` [rows × 4].
 * Row-wise second moments are what tables of embeddings are trained with where memory is what binds (Mudigere et al. 2022,
 * "Software-Hardware Co-design for Fast and Scalable Training of Deep Learning Recommendation Models"); they are corrected
 * for their start as Adam's are (Kingma & Ba 2015, section 3).
 */
function rmsprop(): Kernel {
  const [touched, count, gradient, table, squares, columns, stride] = [0, 1, 2, 3, 4, 5, 6] as const
  const scalars = [7, 8, 9, 10, 11, 12]
  const [kept, rest, rate, correction, epsilon, keep] = [13, 14, 15, 16, 17, 18] as const
  const [row, end, square, g, v] = [19, 20, 21, 22, 23] as const
  const first = [
    set(g, loadV128(get(gradient))),
    set(v, vAdd(get(v), vMultiply(get(g), get(g)))),
    advance(gradient, LANES),
  ]
  const second = [
    set(g, vMultiply(get(v), loadV128(get(gradient)))),
    storeV128(get(gradient), splat(ZERO)),
    storeV128(get(row), vSubtract(vMultiply(get(keep), loadV128(get(row))), get(g))),
    advance(gradient, LANES),
    advance(row, LANES),
  ]
  const body = [
    ...splatted(scalars, kept),
    ...whileBelow(
      i32(0),
      get(count),
      set(square, add(get(squares), multiply(loadI32(get(touched)), i32(LANES)))),
      set(row, add(get(table), multiply(loadI32(get(touched)), get(stride)))),
      set(end, add(get(gradient), get(columns))),
      set(v, splat(ZERO)),
      whileBelow(get(gradient), get(end), ...first),
      set(v, vAdd(vMultiply(get(kept), loadV128(get(square))), vMultiply(get(rest), get(v)))),
      storeV128(get(square), get(v)),
      set(v, vDivide(get(rate), vAdd(vSqrt(vMultiply(get(v), get(correction))), get(epsilon)))),
      set(gradient, subtract(get(end), get(columns))),
      whileBelow(get(gradient), get(end), ...second),
      set(gradient, add(get(gradient), subtract(get(stride), get(columns)))),
      advance(touched, 4),
      set(count, subtract(get(count), i32(1))),
    ),
  ]
  const parameters = [I32, I32, I32, I32, I32, I32, I32, ...scalars.map(() => F32)]
  return { name: 'rmsprop', parameters, locals: [...scalars.map(() => V128), I32, I32, I32, V128, V128], body }
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
  return { name: 'adamw', parameters: types, locals: [...scalars.map(() => V128), V128, V128, V128], body }
}

/** Scalars in all lanes of the locals from `to` on: V8 does not take that out of a loop by itself. */
const splatted = (scalars: readonly number[], to: number): Code =>
  scalars.flatMap((scalar, index) => set(to + index, splat(get(scalar))))

export const KERNELS: readonly Kernel[] = [sparse('gather'), sparse('scatter'), rmsprop(), adamw()]
