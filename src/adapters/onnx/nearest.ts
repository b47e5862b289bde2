// Models that ask the titles that they know: an answer's probabilities joined with how near those lie. Runs inside a worker.
import { nearnessLevels } from '../../core/calibration/nearness.ts'
import { nearness, unpackIndex } from '../../core/lexical/nearest.ts'
import { SluiceError } from '../../core/error.ts'
import { normalise } from '../../core/text/normalise.ts'
import { partOf } from './open-kind.ts'
import type { Decoded } from '../../core/lexical/decode.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { KindParts } from './open-kind.ts'

/** Changes the levels of decoded answers in place; undefined where the manifest knows of no titles. Throws SluiceError SL501. */
export function openNearest(
  folder: KindParts,
  tree: Tree,
): ((inputs: readonly (readonly string[])[], out: Decoded) => void) | undefined {
  const weights = folder.manifest.calibration?.nearest
  if (weights === undefined) return undefined
  const index = unpackIndex(partOf(folder, 'nearest.bin'), tree.paths)
  if (index === undefined) throw new SluiceError('SL501', 'nearest.bin is no index of titles of this label set')
  const of = nearness(index, tree)
  return (inputs, { best, levels }) => {
    const near = new Float32Array(levels.length)
    const shortlist = best.length / inputs.length
    inputs.forEach((texts, row) => {
      const path = best[row * shortlist]!
      if (path >= 0) near.set(of(texts.map(normalise), path), row * tree.levels)
    })
    nearnessLevels(weights, levels, near)
  }
}
