// The kinds that stand on an encoder: one that asks it about every text, and one that asks it only where a lexical model
// is not sure. Runs inside a thread.
import { SluiceError } from '../../core/error.ts'
import { sentence } from '../../core/text/sentence.ts'
import { openEncoder } from './encoder.ts'
import { lexicalBatches } from './lexical-feeds.ts'
import { runtime } from './runtime.ts'
import type { Tensor } from '../../ports/graph.ts'
import type { ModelFolder } from '../../ports/manifest.ts'
import type { OpenEncoder } from './encoder.ts'
import type { KindParts, OpenKind } from './kinds.ts'

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
  const { manifest, labelPaths } = folder
  const { ask } = manifest
  if (ask === undefined) throw new SluiceError('SL501', 'the manifest does not say when to ask the encoder')
  const lexical = await runtime.compile(Uint8Array.from(part(folder.parts, 'lexical.onnx')), { threads: 1 })
  const batches = lexicalBatches(manifest)
  const { encoder, dims } = await encoderOf(folder)
  const mixture = await runtime.compile(Uint8Array.from(folder.model), { threads: 1 })
  const paths = labelPaths.length
  return {
    async *probabilities(inputs) {
      const open: number[] = []
      const said: Float32Array[] = []
      for (const { rows, feeds } of batches(inputs)) {
        const { probabilities } = await lexical.run(feeds)
        const values = probabilities!.data as Float32Array
        const sure: number[] = []
        rows.forEach((row, at) => {
          const own = values.subarray(at * paths, (at + 1) * paths)
          if (most(own) >= ask) return sure.push(at)
          open.push(row)
          return said.push(own)
        })
        if (sure.length === 0) continue
        const kept = joined(
          sure.map((at) => values.subarray(at * paths, (at + 1) * paths)),
          paths,
        )
        yield { rows: Int32Array.from(sure, (at) => rows[at]!), values: kept }
      }
      for await (const { rows, values } of encoder.vectors(open.map((row) => sentence(inputs[row]!)))) {
        const lexicals = joined(
          Array.from(rows, (at) => said[at]!),
          paths,
        )
        const feeds = { lexical: floats(lexicals, paths), vectors: floats(values, dims) }
        const { probabilities } = await mixture.run(feeds)
        yield { rows: Int32Array.from(rows, (at) => open[at]!), values: probabilities!.data as Float32Array }
      }
    },
  }
}

/** Throws SluiceError SL501 where the folder lacks what an encoder needs. */
async function encoderOf({ manifest, parts }: KindParts): Promise<{ encoder: OpenEncoder; dims: number }> {
  if (manifest.encoder === undefined) throw new SluiceError('SL501', 'the manifest does not say how to use its encoder')
  const graph = Uint8Array.from(part(parts, 'encoder.onnx'))
  const encoder = await openEncoder(manifest.encoder, graph, part(parts, 'tokenizer.json'))
  return { encoder, dims: manifest.encoder.dims }
}

function part(parts: ModelFolder['parts'], name: string): Uint8Array {
  const bytes = parts[name]
  if (bytes === undefined) throw new SluiceError('SL501', `the manifest names no ${name}`)
  return bytes
}

function floats(data: Float32Array, width: number): Tensor {
  return { dtype: 'float32', dims: [data.length / width, width], data }
}

function joined(rows: readonly Float32Array[], width: number): Float32Array {
  const out = new Float32Array(rows.length * width)
  rows.forEach((row, at) => out.set(row, at * width))
  return out
}

/** NaN where a value is not a number: such a row is never sure. */
function most(values: Float32Array): number {
  let best = -Infinity
  for (const value of values) best = Math.max(best, value)
  return best
}
