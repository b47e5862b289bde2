// The kinds of models: how each turns texts into a distribution over the label set. Everything else about serving is
// shared. A kind is opened once a thread and never answers two calls at a time.
import { runtime } from './runtime.ts'
import { openEncoderKind, openStackKind } from './encoder-kinds.ts'
import { importedBatches } from './imported-feeds.ts'
import { lexicalBatches } from './lexical-feeds.ts'
import { pairBatches } from './pair-feeds.ts'
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

const KINDS: Readonly<Record<Manifest['kind'], Open>> = {
  lexical: oneGraph(lexicalBatches),
  pair: oneGraph(pairBatches),
  encoder: openEncoderKind,
  stack: openStackKind,
  imported: oneGraph(importedBatches),
}

/** Throws SluiceError SL501 where the folder was made for another version of the kind's features. */
export function openKind(folder: KindParts): Promise<OpenKind> {
  return KINDS[folder.manifest.kind](folder)
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
