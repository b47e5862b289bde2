// One thread of an encoder's pool: opens the encoder once, answers chunks of texts with their vectors.
// Never terminated while it runs: see kafka-node-notes.
import { move, workerData } from 'piscina'
import { openEncoder } from './encoder.ts'
import { sayOpened } from './threads.ts'
import type { EncoderSettings } from '../../ports/encoder.ts'

export interface EncoderData {
  readonly settings: EncoderSettings
  readonly graph: Uint8Array
  readonly tokenizer: Uint8Array
}

const { settings, graph, tokenizer } = workerData as EncoderData
const encoder = await openEncoder(settings, Uint8Array.from(graph), tokenizer)
sayOpened()

/** Vectors [texts × dims] in the order of the texts. */
export default async function encode(texts: readonly string[]): Promise<unknown> {
  const out = new Float32Array(texts.length * settings.dims)
  for await (const { rows, values } of encoder.vectors(texts))
    rows.forEach((row, at) =>
      out.set(values.subarray(at * settings.dims, (at + 1) * settings.dims), row * settings.dims),
    )
  return move(out)
}
