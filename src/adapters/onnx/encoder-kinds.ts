// The kinds that stand on an encoder: one that asks it about every text, and one that asks it only where a lexical model
// is not sure. Runs inside a thread.
import { SluiceError } from '../../core/error.ts'
import { sentence } from '../../core/text/sentence.ts'
import { asking, askOf, saidOf } from './asking.ts'
import { openEncoder } from './encoder.ts'
import { lexicalBatches } from './lexical-feeds.ts'
import { oneGraph, partOf } from './open-kind.ts'
import { runtime } from './runtime.ts'
import type { Tensor } from '../../ports/graph.ts'
import type { OpenEncoder } from './encoder.ts'
import type { KindParts, OpenKind } from './open-kind.ts'

/** Vectors [rows × dims] of the frozen encoder → model.onnx, the head. */
export async function openEncoderKind(folder: KindParts): Promise<OpenKind> {
  const { encoder, dims } = await encoderOf(folder)
  const head = await runtime.compile(Uint8Array.from(folder.model), { threads: 1 })
  return {
    async *probabilities(inputs) {
      for await (const { rows, values } of encoder.vectors(inputs.map(sentence))) {
        const { probabilities } = await head.run({ vectors: floats(values, dims) })
        yield { rows, values: probabilities!.data as Float32Array }
      }
    },
  }
}

/** lexical.onnx answers first; rows whose best path it gives less than `ask` go on, with vectors, to model.onnx. */
export async function openStackKind(folder: KindParts): Promise<OpenKind> {
  const [ask, paths] = [askOf(folder), folder.labelPaths.length]
  const lexical = await oneGraph(lexicalBatches)({ ...folder, model: partOf(folder, 'lexical.onnx') })
  const { encoder, dims } = await encoderOf(folder)
  const mixture = await runtime.compile(Uint8Array.from(folder.model), { threads: 1 })
  return {
    probabilities: (inputs) =>
      asking(lexical.probabilities(inputs), { ask, paths }, async function* (unsure) {
        for await (const { rows, values } of encoder.vectors(unsure.map(({ row }) => sentence(inputs[row]!)))) {
          const feeds = { lexical: floats(saidOf(unsure, rows), paths), vectors: floats(values, dims) }
          const { probabilities } = await mixture.run(feeds)
          yield { rows, values: probabilities!.data as Float32Array }
        }
      }),
  }
}

/** Throws SluiceError SL501 where the folder lacks what an encoder needs. */
async function encoderOf(folder: KindParts): Promise<{ encoder: OpenEncoder; dims: number }> {
  const { manifest } = folder
  if (manifest.encoder === undefined) throw new SluiceError('SL501', 'the manifest does not say how to use its encoder')
  const graph = Uint8Array.from(partOf(folder, 'encoder.onnx'))
  const encoder = await openEncoder(manifest.encoder, graph, partOf(folder, 'tokenizer.json'))
  return { encoder, dims: manifest.encoder.dims }
}

function floats(data: Float32Array, width: number): Tensor {
  return { dtype: 'float32', dims: [data.length / width, width], data }
}
