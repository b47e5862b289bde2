// The dense half in a fit: the head's weights, their gradients by a graph, AdamW on them by a kernel.
// Owns the weights; they lie in the memory of the kernels.
import { normal } from '../../core/random.ts'
import { bytesOf, instantiate } from '../simd.ts'
import { headGradients, headLogits } from './head.ts'
import { KERNELS } from './kernels.ts'
import type { Random } from '../../core/random.ts'
import type { GraphRuntime, GraphSpec, Tensor } from '../../ports/graph.ts'
import type { Arena, KernelMemory } from '../simd.ts'
import type { HeadSize } from './head.ts'
import type { LexicalSettings } from './settings.ts'

/** Of one level: w [width × classes] and b [classes]. */
export interface HeadWeights {
  readonly w: Float32Array<ArrayBuffer>
  readonly b: Float32Array<ArrayBuffer>
}

export interface Head {
  /**
   * Moves the weights by the gradient at hidden [rows × width], of which there are as many rows as classes are given,
   * per level. Gives back the mean loss and its gradient with respect to `hidden`. Steps count from 1.
   */
  step(
    hidden: Float32Array,
    classes: readonly Int32Array[],
    rate: number,
    step: number,
  ): Promise<{ readonly loss: number; readonly dh: Float32Array }>
  /** Per level [rows × classes]. */
  logits(hidden: Float32Array, rows: number): Promise<Float32Array[]>
  /** A copy. */
  weights(): HeadWeights[]
  close(): Promise<void>
}

/** Weights, gradient and both moments of all tensors. */
export const headBytes = ({ width, classes }: HeadSize): number =>
  classes.reduce((sum, count) => sum + 4 * (bytesOf(padded(width * count)) + bytesOf(padded(count))), 0)

/** Kernels take four lanes at a time. */
const padded = (length: number): number => Math.ceil(length / 4) * 4

interface Parameter {
  readonly name: string
  readonly dims: readonly number[]
  readonly decays: boolean
  readonly value: Float32Array<ArrayBuffer>
  readonly gradient: Float32Array
  readonly first: Float32Array
  readonly second: Float32Array
}

/** `width` and `classes` are the head's; levels weigh as the settings say. */
export async function startHead(
  memory: KernelMemory,
  arena: Arena,
  settings: Omit<LexicalSettings, 'width'> & HeadSize,
  next: Random,
  runtime: GraphRuntime,
): Promise<Head> {
  const { width, classes, adamw, spread, levelDecay, labelSmoothing } = settings
  const { beta1, beta2, epsilon, weightDecay } = adamw
  const kernels = instantiate(KERNELS, memory)
  const make = (name: string, dims: readonly number[], decays: boolean): Parameter => {
    const length = dims.reduce((product, dim) => product * dim, 1)
    const floats = () => arena.floats(padded(length)).subarray(0, length) as Float32Array<ArrayBuffer>
    return { name, dims, decays, value: floats(), gradient: floats(), first: floats(), second: floats() }
  }
  const parameters = classes.flatMap((count, level) => [
    make(`w${level}`, [width, count], true),
    make(`b${level}`, [count], false),
  ])
  for (const { decays, value } of parameters)
    if (decays) for (let i = 0; i < value.length; i++) value[i] = spread * normal(next)
  const feeds = (hidden: Float32Array, rows: number): Record<string, Tensor> => ({
    h: { dtype: 'float32', dims: [rows, width], data: hidden.subarray(0, rows * width) },
    ...Object.fromEntries(parameters.map(({ name, dims, value }) => [name, { dtype: 'float32', dims, data: value }])),
  })
  const levelWeights = classes.map((_, level) => levelDecay ** (classes.length - 1 - level))
  const compile = (graph: GraphSpec) => runtime.compile(runtime.serialise(graph), { threads: 1 })
  const gradients = await compile(headGradients({ width, classes, levelWeights, labelSmoothing }))
  const logits = await compile(headLogits({ width, classes }))
  return {
    async step(hidden, gold, rate, step) {
      const rows = gold[0]!.length
      const outputs = await gradients.run({
        ...feeds(hidden, rows),
        ...Object.fromEntries(gold.map((data, level) => [`y${level}`, { dtype: 'int32', dims: [rows], data }])),
      })
      for (const { name, decays, value, gradient, first, second } of parameters) {
        gradient.set(outputs[`d${name}`]!.data as Float32Array)
        const places = [value, first, second].map(({ byteOffset }) => byteOffset)
        const from = gradient.byteOffset
        const keep = decays ? 1 - rate * weightDecay : 1
        const scalars = [beta1, 1 - beta1, beta2, 1 - beta2, rate / (1 - beta1 ** step), 1 / (1 - beta2 ** step)]
        kernels['adamw']!(from, from + padded(value.length) * 4, ...places, ...scalars, epsilon, keep)
      }
      return { loss: Number(outputs['loss']!.data[0]), dh: outputs['dh']!.data as Float32Array }
    },
    async logits(hidden, rows) {
      const outputs = await logits.run(feeds(hidden, rows))
      return classes.map((_, level) => outputs[`logits${level}`]!.data as Float32Array)
    },
    weights: () =>
      classes.map((_, level) => ({
        w: parameters[2 * level]!.value.slice(),
        b: parameters[2 * level + 1]!.value.slice(),
      })),
    async close() {
      await gradients.close()
      await logits.close()
    },
  }
}
