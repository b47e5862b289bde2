// Turns constants that a file computes from others into plain ones: weights that are kept as bytes with scales become
// floats, so that they can be trained. The runtime itself does the arithmetic.
import { GraphBuilder } from '../graph-builder.ts'
import type { GraphNode, GraphRuntime, GraphSpec, Tensor } from '../../ports/graph.ts'

const FLOAT = 1
/** Operators that give floats where their first input is of floats. */
const KEEPING = new Set(['Mul', 'Add', 'Sub', 'Div', 'Transpose', 'Reshape', 'Identity', 'Unsqueeze', 'Squeeze'])

/** The same graph, with every float that depends on constants alone as an initializer; unused ones are gone. */
export async function foldConstants(runtime: GraphRuntime, spec: GraphSpec): Promise<GraphSpec> {
  const initializers: Record<string, Tensor> = { ...spec.initializers }
  const floats = new Set(Object.keys(initializers).filter((name) => initializers[name]!.dtype === 'float32'))
  const known = new Set(Object.keys(initializers))
  const folded: GraphNode[] = []
  const kept: GraphNode[] = []
  for (const node of spec.nodes) {
    const { op, inputs, outputs, attributes } = node
    const value = attributes?.['value']
    if (op === 'Constant' && typeof value === 'object' && 'dtype' in value) {
      initializers[outputs[0]!] = value
      known.add(outputs[0]!)
      if (value.dtype === 'float32') floats.add(outputs[0]!)
      continue
    }
    if (op === 'MatMulNBits' && inputs.slice(1).every((input) => known.has(input))) {
      const { eye, weight } = unpacked(node, initializers)
      known.add(eye).add(weight.outputs[0]!)
      folded.push(weight)
      kept.push({ op: 'MatMul', inputs: [inputs[0]!, weight.outputs[0]!], outputs })
      continue
    }
    const constant = inputs.length > 0 && inputs.every((input) => known.has(input) || input === '')
    const toFloats = op === 'DequantizeLinear' || (op === 'Cast' && attributes?.['to'] === FLOAT)
    if (!constant || !(toFloats || (KEEPING.has(op) && floats.has(inputs[0]!)))) {
      kept.push(node)
      continue
    }
    folded.push(node)
    known.add(outputs[0]!)
    floats.add(outputs[0]!)
  }
  const used = new Set([...kept.flatMap(({ inputs }) => inputs), ...spec.outputs.map(({ name }) => name)])
  const wanted = folded.map(({ outputs }) => outputs[0]!).filter((name) => used.has(name))
  Object.assign(initializers, await evaluate(runtime, { ...spec, initializers, inputs: [], nodes: folded }, wanted))
  return {
    ...spec,
    initializers: Object.fromEntries(Object.entries(initializers).filter(([name]) => used.has(name))),
    nodes: kept,
  }
}

/** A weight of four or eight bits is what its product with the unit matrix gives. */
function unpacked(
  { inputs, attributes, ...node }: GraphNode,
  initializers: Record<string, Tensor>,
): { readonly eye: string; readonly weight: GraphNode } {
  const { accuracy_level: _, ...own } = attributes ?? {}
  const size = Number(own['K'])
  const eye = `unit(${size})`
  const data = new Float32Array(size * size)
  for (let at = 0; at < size; at++) data[at * size + at] = 1
  initializers[eye] = { dtype: 'float32', dims: [size, size], data }
  const [, ...packed] = inputs
  return { eye, weight: { ...node, inputs: [eye, ...packed], outputs: [`${packed[0]}.floats`], attributes: own } }
}

async function evaluate(
  runtime: GraphRuntime,
  constants: GraphSpec,
  wanted: readonly string[],
): Promise<Record<string, Tensor>> {
  if (wanted.length === 0) return {}
  const graph = new GraphBuilder('constants', 'folded/')
  graph.include(constants)
  wanted.forEach((name, at) => graph.output(`folded/${at}`, name, []))
  const compiled = await runtime.compile(runtime.serialise(graph.spec()), { threads: 1 })
  try {
    const values = await compiled.run({})
    return Object.fromEntries(wanted.map((name, at) => [name, values[`folded/${at}`]!]))
  } finally {
    await compiled.close()
  }
}

/** What these outputs need, and nothing else. */
export function pruned(spec: GraphSpec, names: readonly string[]): GraphSpec {
  const needed = new Set(names)
  const nodes = spec.nodes.toReversed().filter(({ inputs, outputs }) => {
    if (!outputs.some((output) => needed.has(output))) return false
    for (const input of inputs) needed.add(input)
    return true
  })
  return {
    ...spec,
    outputs: spec.outputs.filter(({ name }) => names.includes(name)),
    inputs: spec.inputs.filter(({ name }) => needed.has(name)),
    initializers: Object.fromEntries(Object.entries(spec.initializers).filter(([name]) => needed.has(name))),
    nodes: nodes.toReversed(),
  }
}
