// One thread of a model's pool: holds an open kind, answers chunks of texts. Decodes here, so that only answers travel.
// Never terminated while it runs: see kafka-node-notes.
import { workerData } from 'piscina'
import { isotonicLevels } from '../../core/calibration/isotonic.ts'
import { decode, decoded } from '../../core/lexical/decode.ts'
import { tree } from '../../core/lexical/tree.ts'
import { labelSet } from '../../core/labels.ts'
import { openKind } from './kinds.ts'
import { openNearest } from './nearest.ts'
import { areBySource } from './open-kind.ts'
import { sayOpened } from './threads.ts'
import type { Decoded } from '../../core/lexical/decode.ts'
import type { KindParts } from './open-kind.ts'

export interface Chunk {
  /** All texts of all inputs, one after the other. */
  readonly text: string
  /** Length of each text in UTF-16 code units: `segments` of them for each input. */
  readonly lengths: Int32Array
  readonly shortlist: number
}

export interface Answers extends Decoded {
  /** [rows × paths], where the chunk asked for them. */
  readonly probabilities?: Float32Array
}

const folder = workerData as KindParts
const { manifest, labelPaths } = folder
const kind = await openKind(folder)
const paths = tree(labelSet(labelPaths))
const near = openNearest(folder, paths)
sayOpened()
const segments = manifest.segments.length
const { offsets } = manifest
/** The same for all rows, where the graph does not say more. */
const usual = offsets === undefined || areBySource(offsets) ? undefined : Float64Array.from(offsets, Math.exp)

export default async function answer(chunk: Chunk & { readonly raw?: boolean }): Promise<Answers> {
  const inputs = cut(chunk)
  const shortlist = Math.min(chunk.shortlist, paths.paths)
  const out = decoded(inputs.length, paths, shortlist)
  const raw = chunk.raw === true ? new Float32Array(inputs.length * paths.paths) : undefined
  for await (const { rows, values, factors } of kind.probabilities(inputs)) {
    for (let at = 0; at < rows.length; at++) {
      const own = factors?.subarray(at * paths.paths, (at + 1) * paths.paths) ?? usual
      decode(values, at, paths, shortlist, out, rows[at]!, own)
      raw?.set(values.subarray(at * paths.paths, (at + 1) * paths.paths), rows[at]! * paths.paths)
    }
  }
  near?.(inputs, out)
  const maps = manifest.calibration?.isotonic
  if (maps !== undefined) isotonicLevels(maps, out.levels)
  return raw === undefined ? out : { ...out, probabilities: raw }
}

function cut({ text, lengths }: Chunk): string[][] {
  const inputs: string[][] = []
  let at = 0
  for (let first = 0; first < lengths.length; first += segments) {
    const texts: string[] = []
    for (let segment = 0; segment < segments; segment++) {
      const end = at + lengths[first + segment]!
      texts.push(text.slice(at, end))
      at = end
    }
    inputs.push(texts)
  }
  return inputs
}
