// A small assembler for WebAssembly, so that inner loops over float32 run four lanes at a time: V8 does not vectorise.
// Knows only the instructions that kernels here need; a mistake fails when the module is compiled, not later.
// Source: WebAssembly Core Specification 2.0, chapter 5 (binary format). Results are the same on every machine.

/** Instructions of a function as bytes. An expression leaves one value on the stack. */
export type Code = readonly number[]

export interface Kernel {
  readonly name: string
  readonly parameters: readonly number[]
  readonly locals: readonly number[]
  readonly body: Code
}

export const I32 = 0x7f
export const F32 = 0x7d
export const V128 = 0x7b

const VECTOR = 0xfd

/** LEB128 of a whole number in [0, 2^32), section 5.2.2; a signed one leaves the sign bit of its last byte clear. */
function leb(value: number, lastMax = 0x7f): number[] {
  const bytes: number[] = []
  for (; value > lastMax; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  return [...bytes, value]
}

const list = (parts: readonly Code[]): number[] => [...leb(parts.length), ...parts.flat()]
const text = (value: string): number[] => [...leb(value.length), ...new TextEncoder().encode(value)]
const section = (id: number, body: Code): number[] => [id, ...leb(body.length), ...body]

export const get = (local: number): Code => [0x20, ...leb(local)]
export const set = (local: number, value: Code): Code => [...value, 0x21, ...leb(local)]
/** A whole number in [0, 2^31). */
export const i32 = (value: number): Code => [0x41, ...leb(value, 0x3f)]

const binary =
  (...op: readonly number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...op]

export const add = binary(0x6a)
export const subtract = binary(0x6b)
export const multiply = binary(0x6c)
const below = binary(0x49)

/** Loads and stores at a byte address plus a constant offset; addresses are multiples of 4. */
export const loadI32 = (address: Code, offset = 0): Code => [...address, 0x28, 2, ...leb(offset)]
export const loadF32 = (address: Code, offset = 0): Code => [...address, 0x2a, 2, ...leb(offset)]
export const loadV128 = (address: Code, offset = 0): Code => [...address, VECTOR, 0x00, 2, ...leb(offset)]
export const storeV128 = (address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  VECTOR,
  0x0b,
  2,
  ...leb(offset),
]

/** Four float32 lanes. */
export const splat = (value: Code): Code => [...value, VECTOR, 0x13]
export const ZERO: Code = [0x43, 0, 0, 0, 0]
export const vAdd = binary(VECTOR, 0xe4, 0x01)
export const vSubtract = binary(VECTOR, 0xe5, 0x01)
export const vMultiply = binary(VECTOR, 0xe6, 0x01)
export const vDivide = binary(VECTOR, 0xe7, 0x01)
export const vSqrt = (value: Code): Code => [...value, VECTOR, 0xe3, 0x01]

/** Runs the body while a < b, both unsigned. */
export const whileBelow = (a: Code, b: Code, ...body: readonly Code[]): Code => [
  0x02,
  0x40,
  0x03,
  0x40,
  ...below(a, b),
  0x45,
  0x0d,
  1,
  ...body.flat(),
  0x0c,
  0,
  0x0b,
  0x0b,
]

/** A module that exports the kernels and imports its memory as `env.memory`. */
function assemble(kernels: readonly Kernel[]): Uint8Array<ArrayBuffer> {
  const types = kernels.map(({ parameters }) => [0x60, ...list(parameters.map((type) => [type])), 0])
  const codes = kernels.map(({ locals, body }) => {
    const code = [...list(locals.map((type) => [1, type])), ...body, 0x0b]
    return [...leb(code.length), ...code]
  })
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, list(types)),
    ...section(2, list([[...text('env'), ...text('memory'), 2, 0, 1]])),
    ...section(3, list(kernels.map((_, index) => leb(index)))),
    ...section(7, list(kernels.map(({ name }, index) => [...text(name), 0, ...leb(index)]))),
    ...section(10, list(codes)),
  ])
}

/** Memory of WebAssembly comes in pages of 64 KiB; there can be 4 GiB of it. */
const PAGE = 0x1_0000

/** Memory that kernels work on. */
export interface KernelMemory {
  readonly buffer: ArrayBuffer
}

export type Kernels = Readonly<Record<string, (...values: readonly number[]) => void>>

declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number }) => KernelMemory
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Kernels }
}

/** Hands out arrays, each on a cache line of its own, in the order asked for. */
export interface Arena {
  floats(length: number): Float32Array<ArrayBuffer>
  ints(length: number): Int32Array<ArrayBuffer>
}

const LINE = 64

/** Throws RangeError where `bytes` is beyond 4 GiB. */
export function kernelMemory(bytes: number): KernelMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) })
}

export function arena({ buffer }: KernelMemory): Arena {
  let at = 0
  const take = (length: number) => {
    const from = at
    at += bytesOf(length)
    return from
  }
  return {
    floats: (length) => new Float32Array(buffer, take(length), length),
    ints: (length) => new Int32Array(buffer, take(length), length),
  }
}

/** Bytes that an array of 32-bit numbers takes in an arena. */
export const bytesOf = (length: number): number => Math.ceil((length * 4) / LINE) * LINE

export function instantiate(kernels: readonly Kernel[], memory: KernelMemory): Kernels {
  return new WebAssembly.Instance(new WebAssembly.Module(assemble(kernels)), { env: { memory } }).exports
}
