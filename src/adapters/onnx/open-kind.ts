// What it is to be a kind of model: texts in, a distribution over the label set out; and the shape that most kinds have, one
// graph behind feeds of their own. A kind is opened once a thread and never answers two calls at a time.
import { SluiceError } from '../../core/error.ts'
import { runtime } from './runtime.ts'
import type { Tensor } from '../../ports/graph.ts'
import type { Manifest, ModelFolder } from '../../ports/manifest.ts'

/** What a thread needs to answer; travels to it by structured clone. */
export type KindParts = Pick<ModelFolder, 'manifest' | 'model' | 'parts' | 'labelPaths'>

/** Answers to the inputs at these positions: the joint distribution over the paths, [rows.length × paths]. */
export interface Answered {
  readonly rows: Int32Array
  readonly values: Float32Array
  /** What to weigh the paths by in choosing, [rows.length × paths], where the kind decides row by row against the prior. */
  readonly factors?: Float32Array | undefined
}

export interface OpenKind {
  /**
   * Inputs are one text a segment. Together the batches hold each input once, in any order; a batch is valid until the
   * next is asked for. A row that is not finite has no answer.
   */
  probabilities(inputs: readonly (readonly string[])[]): AsyncIterable<Answered>
}

export type Open = (folder: KindParts) => Promise<OpenKind>

/** A batch for one run of the graph: feeds for the inputs at these positions. */
interface ModelBatch {
  readonly rows: Int32Array
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** Cuts inputs into batches; together they hold each input once. A batch is valid until the next is asked for. */
export type Batches = (inputs: readonly (readonly string[])[]) => Iterable<ModelBatch>

/** A kind whose model.onnx does everything once the texts are numbers. */
export function oneGraph(batchesOf: (manifest: Manifest, parts: ModelFolder['parts']) => Batches): Open {
  return async ({ manifest, model, parts }) => {
    const batches = batchesOf(manifest, parts)
    const compiled = await runtime.compile(Uint8Array.from(model), { threads: 1 })
    const weighsRows = areBySource(manifest.offsets)
    return {
      async *probabilities(inputs) {
        for (const { rows, feeds } of batches(inputs)) {
          const { probabilities, factors } = await compiled.run(feeds)
          if (weighsRows && factors === undefined)
            throw new SluiceError('SL501', 'the manifest has offsets by source, the graph no factors')
          const values = probabilities!.data as Float32Array
          yield { rows, values, factors: weighsRows ? (factors!.data as Float32Array) : undefined }
        }
      },
    }
  }
}

/** Offsets a source, which the graph joins row by row; else they are the same for all rows, or there are none. */
export function areBySource(offsets: Manifest['offsets']): offsets is readonly (readonly number[])[] {
  return Array.isArray(offsets?.[0])
}

/** Throws SluiceError SL501 where the folder lacks it. */
export function partOf({ parts }: Pick<KindParts, 'parts'>, name: string): Uint8Array {
  const bytes = parts[name]
  if (bytes === undefined) throw new SluiceError('SL501', `the manifest names no ${name}`)
  return bytes
}
