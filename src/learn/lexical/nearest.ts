// The titles that a lexical model learned from, asked about its answers: the index that is served, and what the titles
// that a part's fit knew say of those that the part holds out. Fits nothing itself.
import { nearness, packIndex, titleIndex } from '../../core/lexical/nearest.ts'
import { vocabulary } from './batches.ts'
import { servingBytes } from './export.ts'
import { columnsFor } from './settings.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { ManifestCalibration } from '../../ports/manifest.ts'
import type { Examples } from '../examples.ts'
import type { Judgement } from '../judge.ts'
import type { RowFeatures, Subset } from './batches.ts'
import type { Part } from './parts.ts'
import type { LexicalSettings } from './settings.ts'

/** What serving does to an answer's probabilities, and the files that it takes; `index` where the titles were asked. */
export function calibrationOf({ isotonic, nearness }: Judgement, index: Uint8Array | undefined) {
  const method = nearness === undefined ? 'isotonic' : 'nearest'
  const calibration: ManifestCalibration | undefined = isotonic && { method, nearest: nearness, isotonic }
  return { calibration, parts: nearness === undefined ? {} : { 'nearest.bin': index! } }
}

/** The index of all titles as it is served; undefined where it and the model would take too many bytes. */
export function knownTitles(
  data: Examples,
  features: RowFeatures,
  all: Subset,
  tree: Tree,
  settings: LexicalSettings,
): Uint8Array | undefined {
  if (settings.bytesMax === 0) return undefined
  const rows = vocabulary(features, all.rows, settings.idfPower).idf.length
  const room = settings.bytesMax - servingBytes(rows, features.settings.buckets, tree, columnsFor(tree, settings))
  const index = titlesOf(data, all, room)
  return index && packIndex(index)
}

const titlesOf = (data: Examples, { rows, gold }: Subset, bytesMax: number) =>
  titleIndex(
    Array.from(rows, (row) => data.examples[row]!.texts),
    gold,
    bytesMax,
  )

/** Of the rows of all parts, one after the other: how near the titles lie that the fit of the part knew. */
export function heldNearness(data: Examples, parts: readonly Part[], tree: Tree) {
  const rows = parts.flatMap(({ held }) => [...held.rows])
  const partOf = Uint8Array.from(parts.flatMap(({ held }, part) => Array.from(held.rows, () => part)))
  const askers = parts.map(({ kept }) => nearness(titlesOf(data, kept, Infinity)!, tree))
  return (row: number, path: number): Float32Array => askers[partOf[row]!]!(data.examples[rows[row]!]!.texts, path)
}
