// The second member of a lexical model: a linear classifier beside the network, one column of the table a node of the
// tree, each node against the rest of its level with squared hinge loss (Fan et al. 2008, LIBLINEAR, L2-loss SVC).
// It errs elsewhere than the network does, so that the mean of both is better than either.
import type { Tree } from '../../core/lexical/tree.ts'
import type { AdamW } from '../adamw.ts'

/** Logits are this many times the sums: its share of the learning rate, since RMSProp's steps are of one size. */
const SLOPE = 2

/** See `Block`: a rare word's margins take large first steps, as a linear classifier learns rare words by heart. */
export const MARGIN_SQUARES_KEPT = 0.999

export interface Margins {
  /** Per node of every level, l1 first. */
  readonly biases: Float32Array
  /**
   * Reads sums [rows × width] from column `at`, writes their gradient in place of them into `gradient` and moves the
   * biases. `gold` is the path of each row. Gives back the mean loss per row. Steps count from 1.
   */
  step(input: MarginBatch): number
}

export interface MarginBatch {
  readonly sums: Float32Array
  readonly gradient: Float32Array
  readonly width: number
  readonly at: number
  readonly gold: Int32Array
  readonly rate: number
  readonly step: number
}

/** Columns of the table that the margins of a tree take. */
export const marginColumns = (tree: Tree): number => tree.nodes.reduce((sum, nodes) => sum + nodes, 0)

export function margins(tree: Tree, { beta1, beta2, epsilon }: AdamW): Margins {
  const columns = marginColumns(tree)
  const biases = new Float32Array(columns)
  const first = new Float32Array(columns)
  const second = new Float32Array(columns)
  const slopes = new Float32Array(columns)
  return {
    biases,
    step({ sums, gradient, width, at, gold, rate, step }) {
      let loss = 0
      slopes.fill(0)
      for (let row = 0; row < gold.length; row++) {
        let from = 0
        tree.nodeOf.forEach((nodeOf, level) => {
          const right = from + nodeOf[gold[row]!]!
          const end = from + tree.nodes[level]!
          for (let column = from; column < end; column++) {
            const place = row * width + at + column
            const sign = column === right ? 1 : -1
            const short = Math.max(0, 1 - sign * (SLOPE * sums[place]! + biases[column]!))
            const slope = (-2 * sign * short) / gold.length
            loss += short * short
            slopes[column]! += slope
            gradient[place] = SLOPE * slope
          }
          from = end
        })
      }
      for (let column = 0; column < columns; column++) {
        const g = slopes[column]!
        const m = (first[column] = beta1 * first[column]! + (1 - beta1) * g)
        const v = (second[column] = beta2 * second[column]! + (1 - beta2) * g * g)
        const deviation = Math.sqrt(v / (1 - beta2 ** step)) + epsilon
        biases[column]! -= (rate * m) / (1 - beta1 ** step) / deviation
      }
      return loss / gold.length
    },
  }
}

/** A margin's share in a node's logit, as big as calibrated members have it on all data sets that we tried. */
const SHARE = 3

/** Adds the margins of sums [rows × width] from column `at` to the logits of all levels, each [rows × nodes]. */
export function addMargins(
  logits: readonly Float32Array[],
  biases: Float32Array,
  { sums, width, at, rows }: Pick<MarginBatch, 'sums' | 'width' | 'at'> & { readonly rows: number },
): void {
  let first = 0
  for (const own of logits) {
    const nodes = own.length / rows
    for (let node = 0; node < nodes; node++) {
      const { slope, offset } = marginLogit(biases[first + node]!)
      for (let row = 0; row < rows; row++)
        own[row * nodes + node]! += slope * sums[row * width + at + first + node]! + offset
    }
    first += nodes
  }
}

/** What a node's column adds to the node's logit: `slope` times its sum, and `offset`. */
export const marginLogit = (bias: number): { readonly slope: number; readonly offset: number } => ({
  slope: SHARE * SLOPE,
  offset: SHARE * bias,
})
