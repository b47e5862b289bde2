// Labels made wrong on purpose, so that what cleaning finds can be counted.
import { random } from '../../src/core/random.ts'
import type { Tree } from '../../src/core/lexical/tree.ts'

/** Any other path; or one of those that share the longest beginning with it. */
export type NoiseKind = 'uniform' | 'siblings'

/** The paths, each with probability `rate` replaced by another one of the tree. Repeatable by seed. */
export function withNoise(gold: Int32Array, tree: Tree, rate: number, kind: NoiseKind, seed: number): Int32Array {
  const next = random(seed)
  return gold.map((path) => {
    const wrong = next() < rate
    const place = next()
    if (!wrong) return path
    const [from, to] = kind === 'uniform' ? [0, tree.paths] : siblings(path, tree)
    const other = from + Math.floor(place * (to - from - 1))
    return other >= path ? other + 1 : other
  })
}

/** The range of the paths under the deepest node above this one that has another path. */
function siblings(path: number, tree: Tree): readonly [number, number] {
  for (let level = tree.levels - 2; level >= 0; level--) {
    const node = tree.nodeOf[level]![path]!
    const [from, to] = [tree.firstOf[level]![node]!, tree.firstOf[level]![node + 1]!]
    if (to - from > 1) return [from, to]
  }
  return [0, tree.paths]
}
