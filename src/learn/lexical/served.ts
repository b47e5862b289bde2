// Runs the serving graph the way serving does, on few texts: the golden batch, and what rounding to eight bits costs.
// Not for throughput; the pool in adapters/ serves.
import { extractor } from '../../core/lexical/features.ts'
import { normalise } from '../../core/text/normalise.ts'
import { concatenated } from '../concatenated.ts'
import type { FeatureSettings } from '../../core/lexical/features.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { LabelSet } from '../../core/labels.ts'
import type { Compiled } from '../../ports/graph.ts'
import type { Manifest } from '../../ports/manifest.ts'

const BATCH_ROWS = 32

/** Probabilities [rows × paths] of normalised texts. */
export async function answers(
  graph: Compiled,
  texts: readonly (readonly string[])[],
  settings: FeatureSettings,
): Promise<Float32Array> {
  const extract = extractor(settings)
  const parts: Float32Array[] = []
  for (let from = 0; from < texts.length; from += BATCH_ROWS) {
    const bags = texts.slice(from, from + BATCH_ROWS).map((segments) => {
      const { ids, counts, size } = extract(segments)
      return { ids: ids.slice(0, size), tf: counts.slice(0, size).map((count) => 1 + Math.log(count)) }
    })
    const width = Math.max(1, ...bags.map(({ ids }) => ids.length))
    const ids = new Int32Array(bags.length * width)
    const tf = new Float32Array(bags.length * width)
    bags.forEach((bag, row) => {
      ids.set(bag.ids, row * width)
      tf.set(bag.tf, row * width)
    })
    const dims = [bags.length, width]
    const { probabilities } = await graph.run({
      ids: { dtype: 'int32', dims, data: ids },
      tf: { dtype: 'float32', dims, data: tf },
    })
    parts.push(probabilities!.data as Float32Array)
  }
  return concatenated(parts)
}

/** Accuracy per level of served probabilities [rows × paths], in parts; `gold` is the path of each row of all parts. */
export function servedAccuracy(parts: readonly Float32Array[], gold: Int32Array, tree: Tree): number[] {
  const right = tree.nodes.map(() => 0)
  let row = 0
  for (const probabilities of parts)
    for (let from = 0; from < probabilities.length; from += tree.paths) {
      let best = 0
      for (let path = 1; path < tree.paths; path++)
        if (probabilities[from + path]! > probabilities[from + best]!) best = path
      const path = gold[row++]!
      tree.nodeOf.forEach((nodeOf, level) => {
        if (nodeOf[best] === nodeOf[path]) right[level]! += 1
      })
    }
  return right.map((count) => count / Math.max(gold.length, 1))
}

const GOLDEN_ROWS = 4

/** Golden texts are names of labels: no row of the data leaves the machine it was trained on. */
export async function goldenBatch(
  graph: Compiled,
  labels: LabelSet,
  segments: number,
  settings: FeatureSettings,
): Promise<Manifest['golden']> {
  const rows = Math.min(GOLDEN_ROWS, labels.paths.length)
  const texts = Array.from({ length: rows }, (_, row) => {
    const path = labels.paths[Math.floor((row * labels.paths.length) / rows)]!
    return Array.from({ length: segments }, (_, segment) => (segment === 0 ? normalise(path.join(' ')) : ''))
  })
  const probabilities = await answers(graph, texts, settings)
  const width = labels.paths.length
  return texts.map((own, row) => ({
    texts: own,
    probabilities: Array.from(probabilities.subarray(row * width, (row + 1) * width), (value) =>
      Math.min(1, Number(value.toFixed(6))),
    ),
  }))
}
