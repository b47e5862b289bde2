// The kinds of models: how each turns texts into a distribution over the label set. Everything else about serving is
// shared. A kind is opened once a thread and never answers two calls at a time.
import { runtime } from './runtime.ts'
import { openEncoder } from './encoder.ts'
import { lexicalBatches } from './lexical-feeds.ts'
import { pairBatches } from './pair-feeds.ts'
import { SluiceError } from '../../core/error.ts'
import { sentence } from '../../core/text/sentence.ts'
import type { Tensor } from '../../ports/graph.ts'
import type { Manifest, ModelFolder } from '../../ports/manifest.ts'

/** What a thread needs to answer; travels to it by structured clone. */
export type KindParts = Pick<ModelFolder, 'manifest' | 'model' | 'parts' | 'labelPaths'>

/** Answers to the inputs at these positions: the joint distribution over the paths, [rows.length × paths]. */
export interface Answered {
  readonly rows: Int32Array
  readonly values: Float32Array
}

export interface OpenKind {
  /**
   * Inputs are one text a segment. Together the batches hold each input once, in any order; a batch is valid until the
   * next is asked for. A row that is not finite has no answer.
   */
  probabilities(inputs: readonly (readonly string[])[]): AsyncIterable<Answered>
}

type Open = (folder: KindParts) => Promise<OpenKind>

const KINDS: Readonly<Partial<Record<Manifest['kind'], Open>>> = {
  lexical: oneGraph(lexicalBatches),
  pair: oneGraph(pairBatches),
  encoder: openEncoderKind,
}

/** Throws SluiceError SL501 where the folder was made for another version of the kind's features. */
export function openKind(folder: KindParts): Promise<OpenKind> {
  const { kind } = folder.manifest
  const open = KINDS[kind]
  if (open === undefined) throw new SluiceError('SL501', `models of kind ${kind} are not served`)
  return open(folder)
}

/** A batch for one run of the graph: feeds for the inputs at these positions. */
interface ModelBatch {
  readonly rows: Int32Array
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** Cuts inputs into batches; together they hold each input once. A batch is valid until the next is asked for. */
export type Batches = (inputs: readonly (readonly string[])[]) => Iterable<ModelBatch>

/** A kind whose model.onnx does everything once the texts are numbers. */
function oneGraph(batchesOf: (manifest: Manifest, parts: ModelFolder['parts']) => Batches): Open {
  return async ({ manifest, model, parts }) => {
    const batches = batchesOf(manifest, parts)
    const compiled = await runtime.compile(Uint8Array.from(model), { threads: 1 })
    return {
      async *probabilities(inputs) {
        for (const { rows, feeds } of batches(inputs)) {
          const { probabilities } = await compiled.run(feeds)
          yield { rows, values: probabilities!.data as Float32Array }
        }
      },
    }
  }
}

/** vectors [rows × dims] of the frozen encoder → model.onnx, the head. */
async function openEncoderKind({ manifest, model, parts }: KindParts): Promise<OpenKind> {
  const { 'encoder.onnx': graph, 'tokenizer.json': tokenizer } = parts
  if (manifest.encoder === undefined || graph === undefined || tokenizer === undefined)
    throw new SluiceError('SL501', 'the manifest names no encoder, or no encoder.onnx and tokenizer.json')
  const { dims } = manifest.encoder
  const encoder = await openEncoder(manifest.encoder, Uint8Array.from(graph), tokenizer)
  const head = await runtime.compile(Uint8Array.from(model), { threads: 1 })
  return {
    async *probabilities(inputs) {
      for await (const { rows, values } of encoder.vectors(inputs.map(sentence))) {
        const { probabilities } = await head.run({
          vectors: { dtype: 'float32', dims: [rows.length, dims], data: values },
        })
        yield { rows, values: probabilities!.data as Float32Array }
      }
    },
  }
}
