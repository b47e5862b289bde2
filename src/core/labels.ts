// A label is a path in a label set; flat sets have depth 1. A label set is closed: nothing outside it is ever answered.

export type LabelPath = readonly string[]

export interface LabelSet {
  readonly levels: number
  /** Every existing path, each exactly `levels` long, sorted; the position is the path's index in models. */
  readonly paths: readonly LabelPath[]
  /** What a label means, for prompts and people; keyed by `pathKey`. */
  readonly descriptions: Readonly<Record<string, string>>
}

const SEPARATOR = ' > '

/** The path as people write it; also its key in maps. */
export function pathKey(path: LabelPath): string {
  return path.join(SEPARATOR)
}

/**
 * Builds a set from any paths: sorted, doubles removed. Throws RangeError on an empty set, on uneven depths, and where
 * two different paths are written the same.
 */
export function labelSet(paths: Iterable<LabelPath>, descriptions: Readonly<Record<string, string>> = {}): LabelSet {
  const byKey = new Map<string, LabelPath>()
  for (const path of paths) {
    const key = pathKey(path)
    const known = byKey.get(key)
    if (known && (known.length !== path.length || known.some((name, level) => name !== path[level])))
      throw new RangeError(`two paths of the label set are both written "${key}"`)
    byKey.set(key, path)
  }
  const keys = [...byKey.keys()].sort()
  const sorted = keys.map((key) => byKey.get(key)!)
  const levels = sorted[0]?.length ?? 0
  if (levels === 0) throw new RangeError('a label set needs at least one path of at least one level')
  const uneven = sorted.find((path) => path.length !== levels)
  if (uneven)
    throw new RangeError(`all paths of a label set have one depth: ${levels} levels, but "${pathKey(uneven)}"`)
  return { levels, paths: sorted, descriptions }
}

/** Index of every path by its key. */
export function pathIndex(set: LabelSet): ReadonlyMap<string, number> {
  return new Map(set.paths.map((path, index) => [pathKey(path), index]))
}
