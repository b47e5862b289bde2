// Calibration of a joint distribution over paths by weighing the log-probabilities of each level's nodes: temperatures
// per level, a weight and a bias per node (vector scaling), or a power of the whole. Pure; paths keep existing.
import { fitTemperatures, softmax } from './temperature.ts'
import type { Tree } from '../lexical/tree.ts'

/** Joint probabilities [rows × paths] of labelled rows; gold is the index of each row's path, −1 for one unknown. */
export interface JointRows {
  readonly rows: number
  readonly joint: Float32Array
  readonly gold: Int32Array
}

/**
 * Per level and node. The new distribution is the softmax over paths of Σ over levels of weight(node) · ln p(node) +
 * bias(node), where p(node) is the old probability of the path's node at that level.
 */
export interface Scaling {
  readonly weights: readonly Float32Array[]
  readonly biases: readonly Float32Array[]
}

/** Logarithms start here: float32 holds it, and no answer hangs on less. */
export const LOG_FLOOR = 1e-20

/** ln of the probability of each level's nodes [rows × nodes], l1 first. */
export function logMarginals({ rows, joint }: JointRows, tree: Tree): Float32Array[] {
  return tree.nodeOf.map((nodeOf, level) => {
    const nodes = tree.nodes[level]!
    const sums = new Float64Array(rows * nodes)
    for (let row = 0; row < rows; row++)
      for (let path = 0; path < tree.paths; path++)
        sums[row * nodes + nodeOf[path]!]! += joint[row * tree.paths + path]!
    return Float32Array.from(sums, (value) => Math.log(Math.max(value, LOG_FLOOR)))
  })
}

/** The scaled distribution of row `row` into `out` [paths]. */
export function scaledRow(
  logs: readonly Float32Array[],
  row: number,
  tree: Tree,
  { weights, biases }: Scaling,
  out: Float64Array,
): void {
  let most = -Infinity
  for (let path = 0; path < tree.paths; path++) {
    let score = 0
    for (let level = 0; level < tree.levels; level++) {
      const node = tree.nodeOf[level]![path]!
      score += weights[level]![node]! * logs[level]![row * tree.nodes[level]! + node]! + biases[level]![node]!
    }
    out[path] = score
    if (score > most) most = score
  }
  softmax(out, tree.paths, most)
}

/** Weights per level, the same for each of its nodes. */
function levelScaling(tree: Tree, weights: readonly number[]): Scaling {
  return {
    weights: tree.nodes.map((nodes, level) => new Float32Array(nodes).fill(weights[level]!)),
    biases: tree.nodes.map((nodes) => new Float32Array(nodes)),
  }
}

/** The joint distribution to a power: above 1 it sharpens, and ranks answers more by what the runner-up has. */
export function powerScaling(tree: Tree, power: number): Scaling {
  return levelScaling(
    tree,
    tree.nodes.map((_, level) => (level === tree.levels - 1 ? power : 0)),
  )
}

/**
 * Temperature scaling (Guo et al. 2017, section 4.2) of what each level adds to the one above it: the softmax over paths
 * of Σ ln p(node | parent) / temperature(level). Rows of unknown gold are left out.
 */
export function temperatureScaling(
  data: JointRows,
  tree: Tree,
): { readonly scaling: Scaling; readonly temperatures: readonly number[] } {
  const known = knownRows(data, tree)
  const logs = logMarginals(known, tree)
  const conditional = logs.map((values, level) => {
    if (level === 0) return values
    const parents = parentsOf(tree, level)
    const above = tree.nodes[level - 1]!
    const nodes = tree.nodes[level]!
    return values.map((value, at) => value - logs[level - 1]![Math.floor(at / nodes) * above + parents[at % nodes]!]!)
  })
  const start = tree.nodes.map(() => 1)
  const temperatures = fitTemperatures({ rows: known.rows, logits: conditional, gold: known.gold }, tree, start)
  const weights = temperatures.map((own, level) => 1 / own - 1 / (temperatures[level + 1] ?? Infinity))
  return { scaling: levelScaling(tree, weights), temperatures }
}

/** The node above each node of a level. */
function parentsOf(tree: Tree, level: number): Int32Array {
  return Int32Array.from({ length: tree.nodes[level]! }, (_, node) => {
    const path = tree.firstOf[level]![node]!
    return tree.nodeOf[level - 1]![path]!
  })
}

function knownRows({ rows, joint, gold }: JointRows, { paths }: Tree): JointRows {
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => gold[row]! >= 0)
  const picked = new Float32Array(kept.length * paths)
  kept.forEach((row, at) => picked.set(joint.subarray(row * paths, (row + 1) * paths), at * paths))
  return { rows: kept.length, joint: picked, gold: Int32Array.from(kept, (row) => gold[row]!) }
}

/** Deviations that a node's weight and bias are thought to have, before the rows say otherwise. */
const WEIGHT_SPREAD = 0.2
const BIAS_SPREAD = 0.4
const STEPS = 120
const RATE = 0.03

/**
 * Vector scaling (Guo et al. 2017, section 4.2) per level: a weight and a bias for each node, found by Adam on the
 * mean negative log-likelihood with a Gaussian prior around temperature scaling, so that nodes of few rows stay there.
 */
export function vectorScaling(data: JointRows, tree: Tree): Scaling {
  const known = knownRows(data, tree)
  const logs = logMarginals(known, tree)
  const { scaling: start } = temperatureScaling(known, tree)
  const weights = start.weights.map((own) => Float32Array.from(own))
  const biases = start.biases.map((own) => Float32Array.from(own))
  const parameters = [...weights, ...biases]
  const centres = [...start.weights, ...start.biases]
  const first = parameters.map((own) => new Float64Array(own.length))
  const second = parameters.map((own) => new Float64Array(own.length))
  for (let step = 1; step <= STEPS; step++) {
    const gradients = likelihoodGradients(known, logs, tree, { weights, biases })
    parameters.forEach((own, which) => {
      const spread = which < tree.levels ? WEIGHT_SPREAD : BIAS_SPREAD
      for (let at = 0; at < own.length; at++) {
        const prior = (own[at]! - centres[which]![at]!) / (spread * spread * Math.max(known.rows, 1))
        const slope = gradients[which]![at]! + prior
        first[which]![at] = 0.9 * first[which]![at]! + 0.1 * slope
        second[which]![at] = 0.999 * second[which]![at]! + 0.001 * slope * slope
        const mean = first[which]![at]! / (1 - 0.9 ** step)
        const size = Math.sqrt(second[which]![at]! / (1 - 0.999 ** step))
        own[at]! -= (RATE * (1 - step / (STEPS + 1)) * mean) / (size + 1e-10)
      }
    })
  }
  return { weights, biases }
}

/** Of the mean negative log-likelihood: weights of all levels, then biases. */
function likelihoodGradients(
  { rows, gold }: JointRows,
  logs: readonly Float32Array[],
  tree: Tree,
  scaling: Scaling,
): Float64Array[] {
  const weights = tree.nodes.map((nodes) => new Float64Array(nodes))
  const biases = tree.nodes.map((nodes) => new Float64Array(nodes))
  const out = new Float64Array(tree.paths)
  for (let row = 0; row < rows; row++) {
    scaledRow(logs, row, tree, scaling, out)
    out[gold[row]!]! -= 1
    for (let level = 0; level < tree.levels; level++) {
      const nodes = tree.nodes[level]!
      for (let path = 0; path < tree.paths; path++) {
        const node = tree.nodeOf[level]![path]!
        biases[level]![node]! += out[path]! / rows
        weights[level]![node]! += (out[path]! / rows) * logs[level]![row * nodes + node]!
      }
    }
  }
  return [...weights, ...biases]
}
