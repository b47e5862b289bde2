// The graph port on onnxruntime-node: compiles ONNX bytes into a session and runs it.
// Sessions never spin while idle and never spawn more threads than asked for.
// A thread that runs a session must not be terminated during `run`: that aborts the whole process (kafka-node-notes).
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { read } from './read.ts'
import { serialise } from './serialise.ts'
import type { Compiled, GraphRuntime, Tensor, TensorData } from '../../ports/graph.ts'

export const runtime: GraphRuntime = { module: import.meta.url, serialise, read, compile }

/** A session over a whole model; threads counts intra-op threads. Rejects where the bytes are no valid model. */
async function compile(model: Uint8Array, options: { readonly threads: number }): Promise<Compiled> {
  const session = await InferenceSession.create(model, sessionOptions(options.threads))
  return {
    inputs: session.inputNames,
    async run(feeds) {
      const inputs = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(tensor)]))
      const outputs = await session.run(inputs)
      return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, fromOrt(value)]))
    },
    close: () => session.release(),
  }
}

function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  }
}

function toOrt({ dtype, data, dims }: Tensor): OrtTensor {
  return new OrtTensor(dtype, data, dims)
}

function fromOrt(value: OrtTensor): Tensor {
  return { dtype: value.type as Tensor['dtype'], dims: value.dims, data: value.data as TensorData }
}
