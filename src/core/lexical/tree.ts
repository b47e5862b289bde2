// A label set laid out for arithmetic. The paths of a set are sorted by their key, so the paths below a node are
// neighbours: a node is a range of paths, and its probability the sum over that range. Holds no probabilities itself.
import type { LabelSet } from '../labels.ts'

export interface Tree {
  readonly levels: number
  readonly paths: number
  /** Number of nodes per level, l1 first; the deepest has one per path. */
  readonly nodes: readonly number[]
  /** Per level: the node of each path, numbered in order of the paths. */
  readonly nodeOf: readonly Int32Array[]
  /** Per level: the first path of each node, and one past the last path at the end. */
  readonly firstOf: readonly Int32Array[]
}

export function tree(set: LabelSet): Tree {
  const nodeOf: Int32Array[] = []
  const firstOf: Int32Array[] = []
  for (let level = 0; level < set.levels; level++) {
    const first: number[] = []
    nodeOf.push(
      Int32Array.from(set.paths, (path, index) => {
        const before = set.paths[index - 1]
        if (before === undefined || !samePrefix(before, path, level + 1)) first.push(index)
        return first.length - 1
      }),
    )
    firstOf.push(Int32Array.from([...first, set.paths.length]))
  }
  return {
    levels: set.levels,
    paths: set.paths.length,
    nodes: firstOf.map((first) => first.length - 1),
    nodeOf,
    firstOf,
  }
}

/** Whether two paths agree in their first `depth` levels. */
function samePrefix(a: readonly string[], b: readonly string[], depth: number): boolean {
  for (let level = 0; level < depth; level++) if (a[level] !== b[level]) return false
  return true
}
