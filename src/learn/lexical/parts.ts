// Which rows a fit learns from and which it is judged on.
import { SluiceError } from '../../core/error.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { hash32 } from '../../core/random.ts'
import { heldShare } from './settings.ts'
import type { Examples } from '../examples.ts'
import type { Subset } from './batches.ts'
import type { LexicalSettings } from './settings.ts'

export interface Part {
  readonly kept: Subset
  readonly held: Subset
}

/**
 * Rows go by a hash of their first text, so that equal titles never stand on both sides: held are those with the hash
 * in part `fold` of [0, 1), each `share` long.
 */
export function split(data: Examples, share: number, fold = 0): Part {
  const indices = pathIndex(data.labels)
  const isHeld = data.examples.map(({ texts }) => Math.floor(hash32(texts[0]!) / 2 ** 32 / share) === fold)
  const side = (wanted: boolean): Subset => {
    const rows = Int32Array.from(isHeld.keys().filter((row) => isHeld[row] === wanted))
    return { rows, gold: rows.map((row) => indices.get(pathKey(data.examples[row]!.label))!) }
  }
  return { kept: side(false), held: side(true) }
}

/** As many parts as it takes to hold out enough rows. Throws SL502 where the first is empty or all there is. */
export function splits(data: Examples, settings: LexicalSettings): Part[] {
  const { validationRows, foldsMax } = settings
  const share = heldShare(data.examples.length, settings)
  const wanted = Math.ceil(validationRows / (share * data.examples.length))
  const count = Math.max(1, Math.min(foldsMax, wanted))
  const parts = Array.from({ length: count }, (_, fold) => split(data, share, fold))
  const [first, ...more] = parts.filter(({ kept, held }) => kept.rows.length > 0 && held.rows.length > 0)
  if (first === undefined || first !== parts[0])
    throw new SluiceError('SL502', `${data.examples.length} rows are too few to keep some for validation`)
  return [first, ...more]
}

/** All rows, those held out last. */
export function joinedSubset({ kept, held }: Part): Subset {
  const joined = (a: Int32Array, b: Int32Array) => Int32Array.from([...a, ...b])
  return { rows: joined(kept.rows, held.rows), gold: joined(kept.gold, held.gold) }
}
