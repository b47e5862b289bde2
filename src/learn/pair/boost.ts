// Gradient-boosted trees for a softmax over classes (Friedman 2001; second-order steps as in XGBoost, Chen 2016).
// Each round adds one tree a class. Rounds stop where the loss on the validation rows stops falling. Does no I/O.
import { SluiceError } from '../../core/error.ts'
import { random } from '../../core/random.ts'
import { type Bins, applyBins, cutBins } from './bins.ts'
import { type Tree, type TreeSettings, addTree, growTree } from './tree.ts'

export interface BoostSettings extends TreeSettings {
  readonly classes: number
  readonly roundsMax: number
  /** Rounds without improvement before it stops. */
  readonly patience: number
  /** Share of rows / of features that each tree sees. */
  readonly rowShare: number
  readonly featureShare: number
  /** This many features, the last ones, every tree sees. */
  readonly always: number
  readonly seed: number
}

export interface Boosted {
  readonly bins: Bins
  /** rounds[r][c]: the tree of class c. */
  readonly rounds: readonly (readonly Tree[])[]
  /** Cross entropy on the validation rows after the last kept round. */
  readonly loss: number
}

export interface BoostData {
  /** rows × width. */
  readonly values: Float32Array
  readonly width: number
  readonly labels: Int32Array
  readonly weights: Float32Array
  /** rows × classes: what scores start from. */
  readonly priors: Float32Array
  readonly train: Int32Array
  readonly validation: Int32Array
}

/** Fits trees; `onRound` hears (rounds so far, validation loss). Throws SL503 where that loss is not finite. */
export async function boost(
  data: BoostData,
  settings: BoostSettings,
  onRound: (round: number, loss: number) => void | Promise<void>,
): Promise<Boosted> {
  const { classes } = settings
  const rowsTotal = data.labels.length
  const next = random(settings.seed)
  const binning = cutBins(data.values, data.width, data.train)
  const bins = applyBins(data.values, data.width, binning)
  const scores = data.priors.slice()
  const probabilities = new Float32Array(rowsTotal * classes)
  const gradient = new Float32Array(rowsTotal)
  const curvature = new Float32Array(rowsTotal)
  const rounds: Tree[][] = []
  let best = { loss: Infinity, rounds: 0 }
  for (let round = 1; round <= settings.roundsMax; round++) {
    softmaxRows(scores, probabilities, classes)
    const rows = data.train.filter(() => next() < settings.rowShare)
    const trees: Tree[] = []
    for (let c = 0; c < classes; c++) {
      for (const row of rows) {
        const p = probabilities[row * classes + c]!
        gradient[row] = data.weights[row]! * (p - (data.labels[row] === c ? 1 : 0))
        curvature[row] = data.weights[row]! * Math.max(1e-6, p * (1 - p))
      }
      const features = sample(data.width, settings, next)
      const tree = growTree(bins, rowsTotal, rows, features, gradient, curvature, settings)
      trees.push(tree)
      addTree(tree, bins, rowsTotal, scores, classes, c)
    }
    rounds.push(trees)
    const loss = crossEntropy(scores, data, classes)
    if (!Number.isFinite(loss)) throw new SluiceError('SL503', `the loss is ${loss} in round ${round}`)
    if (loss < best.loss - 1e-6) best = { loss, rounds: round }
    await onRound(round, loss)
    if (data.validation.length > 0 && round - best.rounds >= settings.patience) break
  }
  return {
    bins: binning,
    rounds: rounds.slice(0, data.validation.length > 0 ? best.rounds : rounds.length),
    loss: best.loss,
  }
}

function sample(
  width: number,
  { featureShare, always }: Pick<BoostSettings, 'featureShare' | 'always'>,
  next: () => number,
): number[] {
  const picked: number[] = []
  for (let f = 0; f < width; f++) if (next() < featureShare || f >= width - always) picked.push(f)
  return picked.length > 0 ? picked : [0]
}

/** Row-wise softmax of `scores` into `out`. */
export function softmaxRows(scores: Float32Array, out: Float32Array, classes: number): void {
  for (let base = 0; base < scores.length; base += classes) {
    let top = -Infinity
    for (let c = 0; c < classes; c++) top = Math.max(top, scores[base + c]!)
    let sum = 0
    for (let c = 0; c < classes; c++) sum += out[base + c] = Math.exp(scores[base + c]! - top)
    for (let c = 0; c < classes; c++) out[base + c]! /= sum
  }
}

/** Mean over the validation rows, weighted as in training. */
function crossEntropy(scores: Float32Array, { labels, weights, validation }: BoostData, classes: number): number {
  let total = 0
  let weighed = 0
  for (const row of validation) {
    const base = row * classes
    let top = -Infinity
    for (let c = 0; c < classes; c++) top = Math.max(top, scores[base + c]!)
    let sum = 0
    for (let c = 0; c < classes; c++) sum += Math.exp(scores[base + c]! - top)
    total += weights[row]! * (Math.log(sum) + top - scores[base + labels[row]!]!)
    weighed += weights[row]!
  }
  return total / Math.max(1e-9, weighed)
}

/** Writes the scores (log, not normalised) of the listed rows into `out` (rows × classes). */
export function predictTrees(
  { bins, rounds }: Pick<Boosted, 'bins' | 'rounds'>,
  { values, width, priors }: Pick<BoostData, 'values' | 'width' | 'priors'>,
  rows: Int32Array,
  out: Float32Array,
  classes: number,
): void {
  for (const row of rows) {
    for (let c = 0; c < classes; c++) {
      let score = priors[row * classes + c]!
      for (const trees of rounds) score += treeValue(trees[c]!, bins, values, row * width)
      out[row * classes + c] = score
    }
  }
}

function treeValue(tree: Tree, { edges }: Bins, values: Float32Array, base: number): number {
  let node = 0
  while (tree.feature[node]! >= 0) {
    const feature = tree.feature[node]!
    node = values[base + feature]! <= edges[feature]![tree.bin[node]!]! ? tree.left[node]! : tree.right[node]!
  }
  return tree.value[node]!
}
