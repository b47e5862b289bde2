// Fits the pair kind: linear scores of hashed ids out of fold, then boosted trees over dense features and those scores,
// then the trees again on every row. Out-of-fold log scores come back with it: what calibration and decisions are fitted to.
import { FEATURES } from '../../core/pair/features.ts'
import { SPARSE_BUCKETS } from '../../core/pair/sparse.ts'
import { type Boosted, type BoostSettings, boost, predictTrees } from './boost.ts'
import { type LinearSettings, fitLinear, scoreInto, standardised } from './linear.ts'
import { type EncodedRows, FOLDS } from './rows.ts'

export interface FitSettings {
  readonly classes: number
  readonly seed: number
  readonly linear: Pick<LinearSettings, 'epochs' | 'rate' | 'denseRate' | 'decay'>
  readonly trees: Omit<BoostSettings, 'classes' | 'seed'>
}

export const DEFAULT_FIT: Omit<FitSettings, 'classes' | 'seed'> = {
  linear: { epochs: 3, rate: 0.03, denseRate: 0.05, decay: 1e-4 },
  trees: {
    leaves: 31,
    leafRows: 60,
    lambda: 1,
    rate: 0.045,
    roundsMax: 500,
    patience: 25,
    rowShare: 0.7,
    featureShare: 0.35,
  },
}

export interface Fitted {
  /** buckets × classes. */
  readonly linear: Float32Array
  readonly boosted: Boosted
  /** Log prior that scores start from at inference. */
  readonly prior: Float32Array
  /** rows × classes: scores of models that never saw the row's query. */
  readonly outOfFold: Float32Array
}

export type Progress = (step: string, done: number, total: number, note: string) => void | Promise<void>

export async function fit(rows: EncodedRows, settings: FitSettings, progress: Progress): Promise<Fitted> {
  const { classes, seed } = settings
  const count = rows.labels.length
  const everything = Int32Array.from({ length: count }, (_, row) => row)
  const prior = logPrior(rows, classes)
  const priors = new Float32Array(count * classes)
  for (let row = 0; row < count; row++) priors.set(prior, row * classes)
  const sparse = { ...rows, dense: standardised(rows.dense, FEATURES.length), width: FEATURES.length }
  const linearSettings = { ...settings.linear, classes, buckets: SPARSE_BUCKETS, seed }

  const width = FEATURES.length + classes
  const values = new Float32Array(count * width)
  const scores = new Float32Array(classes)
  for (let row = 0; row < count; row++)
    values.set(rows.dense.subarray(row * FEATURES.length, (row + 1) * FEATURES.length), row * width)
  for (let fold = 0; fold < FOLDS; fold++) {
    await progress('linear scores', fold, FOLDS + 1, '')
    const weights = fitLinear(sparse, outside(everything, rows, fold), linearSettings)
    for (const row of inside(everything, rows, fold)) {
      scoreInto(scores, sparse, row, weights, classes)
      values.set(scores, row * width + FEATURES.length)
    }
  }
  await progress('linear scores', FOLDS, FOLDS + 1, '')
  const linear = fitLinear(sparse, everything, linearSettings)

  const data = { values, width, labels: rows.labels, weights: rows.weights, priors }
  const outOfFold = new Float32Array(count * classes)
  let rounds = settings.trees.roundsMax
  for (let fold = 0; fold <= FOLDS; fold++) {
    const validation = inside(everything, rows, fold)
    const train = fold === FOLDS ? everything : outside(everything, rows, fold)
    const stopping = fold === 0
    const leafRows = Math.max(5, Math.min(settings.trees.leafRows, Math.round(count / 100)))
    const trees = { ...settings.trees, leafRows, classes, seed: seed + fold, roundsMax: rounds }
    const boosted = await boost(
      { ...data, train, validation: stopping ? validation : new Int32Array() },
      trees,
      (round, loss) =>
        progress('trees', fold * rounds + round, (FOLDS + 1) * rounds, stopping ? `loss ${loss.toFixed(4)}` : ''),
    )
    if (fold === FOLDS) return { linear, boosted, prior, outOfFold }
    if (stopping) rounds = boosted.rounds.length
    predictTrees(boosted, data, validation, outOfFold, classes)
  }
  throw new Error('unreachable')
}

function logPrior({ labels, weights }: EncodedRows, classes: number): Float32Array {
  const sums = new Float64Array(classes).fill(1)
  for (let row = 0; row < labels.length; row++) sums[labels[row]!]! += weights[row]!
  const total = sums.reduce((a, b) => a + b, 0)
  return Float32Array.from(sums, (sum) => Math.log(sum / total))
}

function inside(all: Int32Array, { folds }: EncodedRows, fold: number): Int32Array {
  return all.filter((row) => folds[row] === fold)
}

function outside(all: Int32Array, { folds }: EncodedRows, fold: number): Int32Array {
  return all.filter((row) => folds[row] !== fold)
}
