// The three inner loops of the sparse half, four float32 lanes at a time. Addresses and sizes are in bytes; columns
// come in multiples of eight. Sums run in the order of the batch, so results are the same for any number of threads.
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
 * (offsets, rows, ids, weights, table, columns, dense, stride): for each row r of a batch in compressed rows and each of
 * its features j, `gather`: dense[r] += weights[j] · table[ids[j]]; `scatter`: table[ids[j]] += weights[j] · dense[r].
 */
function sparse(name: 'gather' | 'scatter'): Kernel {
  const [offsets, rows, ids, weights, table, columns, dense, stride] = [0, 1, 2, 3, 4, 5, 6, 7] as const
  const [row, j, end, embedding, sums, sumsEnd, weight] = [8, 9, 10, 11, 12, 13, 14] as const
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
    set(dense, add(get(dense), get(stride))),
    advance(row, 1),
  )
  const parameters = [I32, I32, I32, I32, I32, I32, I32, I32]
  return { name, parameters, locals: [I32, I32, I32, I32, I32, I32, V128], body }
}

/**
 * (touched, count, sums, table, first, second, columns, β1, 1−β1, β2, 1−β2, rate, correction, ε, keep): AdamW on the rows
 * touched[0..count) of a table by the gradient in `sums` [count × columns], which is set to nothing on the way.
 * `rate` holds the first moment's correction, `correction` the second's, `keep` is 1 − rate · weight decay.
 */
function adamw(): Kernel {
  const [touched, count, sums, table, first, second, columns] = [0, 1, 2, 3, 4, 5, 6] as const
  const [beta1, rest1, beta2, rest2, rate, correction, epsilon, keep] = [7, 8, 9, 10, 11, 12, 13, 14] as const
  const [offset, end, g, m, v] = [15, 16, 17, 18, 19] as const
  const all = (scalar: number): Code => splat(get(scalar))
  const place = (base: number): Code => add(get(base), get(offset))
  const mix = (share: number, old: number, rest: number, value: Code): Code =>
    vAdd(vMultiply(all(share), loadV128(place(old))), vMultiply(all(rest), value))
  const deviation = vAdd(vSqrt(vMultiply(get(v), all(correction))), all(epsilon))
  const change = vDivide(vMultiply(all(rate), get(m)), deviation)
  const four = [
    set(g, loadV128(get(sums))),
    storeV128(get(sums), splat(ZERO)),
    set(m, mix(beta1, first, rest1, get(g))),
    set(v, mix(beta2, second, rest2, vMultiply(get(g), get(g)))),
    storeV128(place(first), get(m)),
    storeV128(place(second), get(v)),
    storeV128(place(table), vSubtract(vMultiply(all(keep), loadV128(place(table))), change)),
    advance(sums, LANES),
    advance(offset, LANES),
  ]
  const body = whileBelow(
    i32(0),
    get(count),
    set(offset, multiply(loadI32(get(touched)), get(columns))),
    set(end, add(get(offset), get(columns))),
    whileBelow(get(offset), get(end), ...four),
    advance(touched, 4),
    set(count, subtract(get(count), i32(1))),
  )
  const parameters = [I32, I32, I32, I32, I32, I32, I32, F32, F32, F32, F32, F32, F32, F32, F32]
  return { name: 'adamw', parameters, locals: [I32, I32, V128, V128, V128], body }
}

export const KERNELS: readonly Kernel[] = [sparse('gather'), sparse('scatter'), adamw()]
