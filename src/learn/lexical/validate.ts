// Validation of weights in training: logits per level on rows that were kept out, and how often the best path is right.
// Looks only; never changes weights.
import { filler } from './batches.ts'
import { marginLogit } from './margins.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { Example } from '../examples.ts'
import type { Vocabulary } from './batches.ts'
import type { Weights } from './fit.ts'
import type { LexicalSettings } from './settings.ts'
import type { SparseBatch } from './shard.ts'

const BATCH_ROWS = 256

export interface Held {
  readonly examples: readonly Example[]
  /** Index of each example's path. */
  readonly gold: Int32Array
}

/** Logits of all rows, each level for itself: the network's, with a share of the margins where there are any. */
export function levelLogits(
  held: Held,
  weights: Weights,
  tree: Tree,
  vocabulary: Vocabulary,
  settings: LexicalSettings,
): LevelLogits {
  const { features } = settings
  const { network, margins, width } = weights.columns
  const rows = held.examples.length
  const order = Int32Array.from(held.examples, (_, index) => index)
  const fill = filler(features, vocabulary)
  const batch: SparseBatch = {
    rows: 0,
    offsets: new Int32Array(BATCH_ROWS + 1),
    ids: new Int32Array(BATCH_ROWS * features.featuresMax),
    weights: new Float32Array(BATCH_ROWS * features.featuresMax),
  }
  const sums = new Float32Array(BATCH_ROWS * width)
  const logits = tree.nodes.map((nodes) => new Float32Array(rows * nodes))
  for (let from = 0; from < rows; from += BATCH_ROWS) {
    fill(batch, held.examples, order, from, Math.min(from + BATCH_ROWS, rows))
    const columns = width / weights.tables.length
    weights.tables.forEach((table, index) => weightedSums(table, columns, batch, sums, width, index * columns))
    weights.heads.forEach(({ w, b }, level) =>
      dense(sums, batch.rows, width, network, w, b, logits[level]!, from * tree.nodes[level]!),
    )
    if (margins > 0) addMargins(sums, batch.rows, weights, tree, logits, from)
  }
  return { rows, logits, gold: held.gold }
}

/** What a shard computes forwards, without the shard's memory. */
function weightedSums(
  table: Float32Array,
  columns: number,
  { rows, offsets, ids, weights }: SparseBatch,
  out: Float32Array,
  width: number,
  at: number,
): void {
  const sum = new Float32Array(columns)
  for (let row = 0; row < rows; row++) {
    sum.fill(0)
    const end = offsets[row + 1]!
    for (let j = offsets[row]!; j < end; j++) {
      const weight = weights[j]!
      const base = ids[j]! * columns
      for (let k = 0; k < columns; k++) sum[k]! += weight * table[base + k]!
    }
    out.set(sum, row * width + at)
  }
}

/** out[row] = max(sums[row], 0) · w + b, over the first `network` columns. */
function dense(
  sums: Float32Array,
  rows: number,
  width: number,
  network: number,
  w: Float32Array,
  b: Float32Array,
  out: Float32Array,
  at: number,
): void {
  const nodes = b.length
  for (let row = 0; row < rows; row++) {
    const base = at + row * nodes
    out.set(b, base)
    for (let k = 0; k < network; k++) {
      const value = Math.max(sums[row * width + k]!, 0)
      for (let node = 0; node < nodes; node++) out[base + node]! += value * w[k * nodes + node]!
    }
  }
}

function addMargins(
  sums: Float32Array,
  rows: number,
  { columns: { network, width }, biases }: Weights,
  tree: Tree,
  logits: readonly Float32Array[],
  from: number,
): void {
  let first = 0
  tree.nodes.forEach((nodes, level) => {
    for (let row = 0; row < rows; row++)
      for (let node = 0; node < nodes; node++) {
        const { slope, offset } = marginLogit(biases[first + node]!)
        logits[level]![(from + row) * nodes + node]! += slope * sums[row * width + network + first + node]! + offset
      }
    first += nodes
  })
}

/** Share of rows whose best path (levels weighed by 1 / temperature) is right down to each level, l1 first. */
export function pathAccuracy(data: LevelLogits, tree: Tree, temperatures: readonly number[]): number[] {
  const right = tree.nodes.map(() => 0)
  for (let row = 0; row < data.rows; row++) {
    let best = 0
    let most = -Infinity
    for (let path = 0; path < tree.paths; path++) {
      let score = 0
      for (let level = 0; level < tree.levels; level++)
        score += data.logits[level]![row * tree.nodes[level]! + tree.nodeOf[level]![path]!]! / temperatures[level]!
      if (score > most) {
        most = score
        best = path
      }
    }
    for (let level = 0; level < tree.levels; level++)
      if (tree.nodeOf[level]![best] === tree.nodeOf[level]![data.gold[row]!]) right[level]! += 1
  }
  return right.map((count) => count / Math.max(data.rows, 1))
}
