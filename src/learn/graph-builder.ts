// Writes graphs (ports/graph.ts) node by node: each call adds a node and gives back the name of its output.
// Computes nothing itself; shapes are checked by the runtime that compiles the graph.
import type { Dtype, GraphNode, GraphSpec, Tensor, ValueInfo } from '../ports/graph.ts'

export class GraphBuilder {
  readonly #name: string
  readonly #prefix: string
  readonly #inputs: ValueInfo[] = []
  readonly #outputs: ValueInfo[] = []
  readonly #initializers: Record<string, Tensor> = {}
  readonly #nodes: GraphNode[] = []

  /** `prefix` keeps the names made here apart from those of an included graph. */
  constructor(name: string, prefix = '') {
    this.#name = name
    this.#prefix = prefix
  }

  /** Adds inputs, initializers and nodes of another graph under their own names; its outputs are left to the caller. */
  include({ inputs, initializers, nodes }: Omit<GraphSpec, 'name' | 'outputs'>): void {
    this.#inputs.push(...inputs)
    Object.assign(this.#initializers, initializers)
    this.#nodes.push(...nodes)
  }

  input(name: string, dims: readonly (number | string)[], dtype: Dtype = 'float32'): string {
    this.#inputs.push({ name, dtype, dims })
    return name
  }

  /** Adds a node with one output and gives back that output's name. */
  op(
    op: string,
    inputs: readonly string[],
    attributes: GraphNode['attributes'] = {},
    more: Pick<GraphNode, 'domain' | 'floats'> = {},
  ): string {
    const output = `${this.#prefix}${op}_${this.#nodes.length}`
    this.#nodes.push({ op, inputs, outputs: [output], attributes, ...more })
    return output
  }

  /** The `count` largest of each row, largest first, and where they stand (int64). */
  top(value: string, count: number): { readonly values: string; readonly indices: string } {
    const [values, indices] = ['values', 'indices'].map((name) => `${this.#prefix}TopK_${this.#nodes.length}_${name}`)
    this.#nodes.push({
      op: 'TopK',
      inputs: [value, this.ints(count)],
      outputs: [values!, indices!],
      attributes: { axis: 1 },
    })
    return { values: values!, indices: indices! }
  }

  /** Names a value as an output of the graph. */
  output(name: string, value: string, dims: readonly (number | string)[], dtype: Dtype = 'float32'): void {
    this.#nodes.push({ op: 'Identity', inputs: [value], outputs: [name] })
    this.#outputs.push({ name, dtype, dims })
  }

  tensor(name: string, tensor: Tensor): string {
    this.#initializers[name] = tensor
    return name
  }

  scalar(value: number): string {
    return this.tensor(`f32(${value})`, { dtype: 'float32', dims: [], data: new Float32Array([value]) })
  }

  ints(...values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt)
    return this.tensor(`i64(${values.join()})`, { dtype: 'int64', dims: [values.length], data })
  }

  spec(): GraphSpec {
    return {
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: this.#initializers,
      nodes: this.#nodes,
    }
  }
}
