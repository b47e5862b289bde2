// The graph port: learn/ describes computations as plain data; an adapter compiles and runs them.
// Operator names and semantics are those of ONNX (opset 17).

export type Dtype = 'float32' | 'int8' | 'uint8' | 'int32' | 'int64' | 'bool'
export type TensorData = Float32Array | Int8Array | Uint8Array | Int32Array | BigInt64Array

export interface Tensor {
  readonly dtype: Dtype
  readonly dims: readonly number[]
  readonly data: TensorData
}

export type Attribute = number | string | readonly number[] | readonly string[] | Tensor

export interface GraphNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>>
  /** Operator domain; empty is ONNX's own. */
  readonly domain?: string
  /** Attributes whose number is an ONNX float even when it is whole (ints otherwise). */
  readonly floats?: readonly string[]
}

export interface ValueInfo {
  readonly name: string
  readonly dtype: Dtype
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[]
}

export interface GraphSpec {
  readonly name: string
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly initializers: Readonly<Record<string, Tensor>>
  readonly nodes: readonly GraphNode[]
}

export interface Compiled {
  /** Names of what it is fed. */
  readonly inputs: readonly string[]
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>
  close(): Promise<void>
}

export interface GraphRuntime {
  /** Address of a module whose export `runtime` this is: other threads get theirs from it. */
  readonly module: string
  /** The graph as an ONNX file. */
  serialise(spec: GraphSpec): Uint8Array
  /** The graph of an ONNX file. Throws SluiceError SL501 where it says what a GraphSpec cannot. */
  read(model: Uint8Array): GraphSpec
  compile(model: Uint8Array, options: { readonly threads: number }): Promise<Compiled>
}
