// The kinds of models: how each turns texts into the inputs of its graph. Everything else about serving is shared.
// Every kind's graph gives `probabilities` [rows × paths], the joint distribution over the label set.
import { lexicalBatches } from './lexical-feeds.ts'
import { pairBatches } from './pair-feeds.ts'
import type { Tensor } from '../../ports/graph.ts'
import type { Manifest, ModelFolder } from '../../ports/manifest.ts'

/** A batch for one run of the graph: feeds for the inputs at these positions. */
export interface ModelBatch {
  readonly rows: Int32Array
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** Cuts inputs into batches; together they hold each input once. A batch is valid until the next is asked for. */
export type Batches = (inputs: readonly (readonly string[])[]) => Iterable<ModelBatch>

/** Throws SluiceError SL501 where the folder was made for another version of the kind's features. */
export function batchesOf(manifest: Manifest, parts: ModelFolder['parts']): Batches {
  return manifest.kind === 'pair' ? pairBatches(manifest, parts) : lexicalBatches(manifest)
}
