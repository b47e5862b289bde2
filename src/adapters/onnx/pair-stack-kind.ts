// The kind that asks a fine-tuned transformer about pairs of which a pair model is not sure. Runs inside a thread.
import { asking, askOf, saidOf } from './asking.ts'
import { tokenizedBatches } from './imported-feeds.ts'
import { oneGraph, partOf } from './open-kind.ts'
import { pairBatches } from './pair-feeds.ts'
import { runtime } from './runtime.ts'
import type { ImportedFeatures } from '../../ports/manifest.ts'
import type { KindParts, OpenKind } from './open-kind.ts'

/**
 * pair.onnx, with lexicon.bin, answers first; pairs whose likeliest class it gives less than `ask` go on, with what it
 * said, to model.onnx: the transformer that reads them, and the mixture of both.
 */
export async function openPairStackKind(folder: KindParts): Promise<OpenKind> {
  const [ask, paths] = [askOf(folder), folder.labelPaths.length]
  const pair = await oneGraph(pairBatches)({ ...folder, model: partOf(folder, 'pair.onnx') })
  const batches = tokenizedBatches(folder.manifest.features as unknown as ImportedFeatures, folder.parts)
  const mixture = await runtime.compile(Uint8Array.from(folder.model), { threads: 1 })
  return {
    probabilities: (inputs) =>
      asking(pair.probabilities(inputs), { ask, paths }, async function* (unsure) {
        for (const { rows, feeds } of batches(unsure.map(({ row }) => inputs[row]!))) {
          const said = { dtype: 'float32' as const, dims: [rows.length, paths], data: saidOf(unsure, rows) }
          const { probabilities } = await mixture.run({ ...feeds, said })
          yield { rows, values: probabilities!.data as Float32Array }
        }
      }),
  }
}
