// What probabilities are normal for a label: a model is surer of some labels than of others, and noise makes it less
// sure of all. The class thresholds of confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning:
// Estimating Uncertainty in Dataset Labels", section 3.1), per level, drawn to the level's mean where rows are few.
import type { Tree } from '../lexical/tree.ts'
import type { Evidence } from './evidence.ts'

export interface Confidence {
  /** Per level and node: mean probability of the node over the rows that carry it. */
  readonly own: readonly Float64Array[]
  /** Per level and node: the same over those of them that the model agrees with. */
  readonly confirmed: readonly Float64Array[]
}

/** A node's mean counts this many rows of the level's mean. */
const PRIOR_ROWS = 10
/** Means are rounded, so that they do not depend on the order of the rows. */
const STEPS = 1e6

export function confidence(evidence: Evidence, tree: Tree): Confidence {
  const levels = tree.nodes.map((_, level) => means(evidence, tree, level))
  return { own: levels.map(({ own }) => own), confirmed: levels.map(({ confirmed }) => confirmed) }
}

function means(evidence: Evidence, tree: Tree, level: number): { own: Float64Array; confirmed: Float64Array } {
  const nodes = tree.nodes[level]!
  const nodeOf = tree.nodeOf[level]!
  const own = new Mean(nodes)
  const confirmed = new Mean(nodes)
  for (let row = 0; row < evidence.rows; row++) {
    const best = evidence.best[row]!
    if (best < 0) continue
    const node = nodeOf[evidence.given[row]!]!
    const probability = evidence.givenLevels[row * tree.levels + level]!
    own.add(node, probability)
    if (nodeOf[best] === node) confirmed.add(node, probability)
  }
  return { own: own.drawn(), confirmed: confirmed.drawn() }
}

class Mean {
  readonly #sums: Float64Array
  readonly #counts: Float64Array

  constructor(nodes: number) {
    this.#sums = new Float64Array(nodes)
    this.#counts = new Float64Array(nodes)
  }

  add(node: number, value: number): void {
    this.#sums[node]! += value
    this.#counts[node]! += 1
  }

  /** Never 0, so that it can divide; 1 throughout where there was nothing to average. */
  drawn(): Float64Array {
    const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0)
    const count = total(this.#counts)
    const mean = count === 0 ? 1 : total(this.#sums) / count
    return this.#sums.map((sum, node) => {
      const drawn = (sum + PRIOR_ROWS * mean) / (this.#counts[node]! + PRIOR_ROWS)
      return Math.max(Math.round(drawn * STEPS), 1) / STEPS
    })
  }
}
