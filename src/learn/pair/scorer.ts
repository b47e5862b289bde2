// Linear scores of hashed ids out of fold, then boosted trees over numbers and those scores, then both again on every row.
// Used twice: for the class of a pair, and for the source that a product's style speaks of. Does no I/O.
import type { HashedRows } from '../../core/pair/encode.ts'
import { type Boosted, type BoostSettings, boost, predictTrees } from './boost.ts'
import { type LinearSettings, fitLinear, scoreInto, standardised } from './linear.ts'
import { FOLDS } from './rows.ts'

export interface ScorerData {
  /** rows × width. */
  readonly dense: Float32Array
  readonly width: number
  readonly hashed: HashedRows
  readonly buckets: number
  readonly labels: Int32Array
  readonly classes: number
  readonly weights: Float32Array
  readonly folds: Uint8Array
  /** Each row belongs to one of these groups, shown to the trees as that many zeros but one; 0 groups: nothing shown. */
  readonly groups: number
  readonly group: Int32Array
}

export interface ScorerSettings {
  readonly seed: number
  readonly linear: Pick<LinearSettings, 'epochs' | 'rate' | 'denseRate' | 'decay'>
  readonly trees: Omit<BoostSettings, 'classes' | 'seed' | 'always'>
}

export interface Scorer {
  /** buckets × classes. */
  readonly linear: Float32Array
  /** Over width numbers, `classes` linear scores, `groups` flags. */
  readonly boosted: Boosted
  /** Log prior that scores start from. */
  readonly prior: Float32Array
}

export interface FittedScorer {
  readonly scorer: Scorer
  /** rows × max(1, groups) × classes: log scores of models that never saw the row's query, as if of each group. */
  readonly outOfFold: Float32Array
}

export type Tick = (done: number, total: number, note: string) => void | Promise<void>

export async function fitScorer(data: ScorerData, settings: ScorerSettings, tick: Tick): Promise<FittedScorer> {
  const { classes, groups, labels, weights, folds } = data
  const count = labels.length
  const all = Int32Array.from({ length: count }, (_, row) => row)
  const inside = (fold: number): Int32Array => all.filter((row) => folds[row] === fold)
  const outside = (fold: number): Int32Array => all.filter((row) => folds[row] !== fold)
  const prior = logPrior(data)
  const priors = new Float32Array(count * classes)
  for (let row = 0; row < count; row++) priors.set(prior, row * classes)
  const { linear, values, width } = await linearScores(data, settings, all, tick)
  const boosting = { values, width, labels, weights, priors }
  const outOfFold = new Float32Array(count * Math.max(1, groups) * classes)
  const leafRows = Math.max(5, Math.min(settings.trees.leafRows, Math.round(count / 100)))
  let rounds = settings.trees.roundsMax
  for (let fold = 0; fold <= FOLDS; fold++) {
    const stopping = fold === 0
    const validation = inside(fold)
    const boosted = await boost(
      { ...boosting, train: outside(fold), validation: stopping ? validation : new Int32Array() },
      { ...settings.trees, leafRows, classes, always: groups, seed: settings.seed + fold, roundsMax: rounds },
      (round, loss) =>
        tick((fold + 1) * rounds + round, (FOLDS + 2) * rounds, stopping ? `loss ${loss.toFixed(4)}` : ''),
    )
    if (fold === FOLDS) return { scorer: { linear, boosted, prior }, outOfFold }
    if (stopping) rounds = boosted.rounds.length
    predictAs(boosted, data, boosting, validation, outOfFold)
  }
  throw new Error('unreachable')
}

/** Weights fitted on every row; and rows × (numbers, scores fitted without the row's fold, flags of its group). */
async function linearScores(data: ScorerData, { linear, seed }: ScorerSettings, all: Int32Array, tick: Tick) {
  const { dense, classes, groups, buckets, folds, hashed, labels, weights } = data
  const rows = { ...hashed, dense: standardised(dense, data.width), width: data.width, labels, weights }
  const settings = { ...linear, classes, buckets, seed }
  const width = data.width + classes + groups
  const values = new Float32Array(all.length * width)
  for (const row of all) {
    values.set(dense.subarray(row * data.width, (row + 1) * data.width), row * width)
    if (groups > 0) values[row * width + data.width + classes + data.group[row]!] = 1
  }
  const scores = new Float32Array(classes)
  for (let fold = 0; fold < FOLDS; fold++) {
    await tick(fold, (FOLDS + 2) * FOLDS, 'words')
    const without = fitLinear(
      rows,
      all.filter((row) => folds[row] !== fold),
      settings,
    )
    for (const row of all) {
      if (folds[row] !== fold) continue
      scoreInto(scores, hashed, row, without, classes)
      values.set(scores, row * width + data.width)
    }
  }
  return { linear: fitLinear(rows, all, settings), values, width }
}

/** Scores of the listed rows as if they were of each group in turn. */
function predictAs(
  boosted: Boosted,
  { classes, groups, width: numbers }: ScorerData,
  { values, width, priors }: { values: Float32Array; width: number; priors: Float32Array },
  rows: Int32Array,
  out: Float32Array,
): void {
  const heads = Math.max(1, groups)
  const scores = new Float32Array(priors.length)
  const shown = values.slice()
  for (let head = 0; head < heads; head++) {
    for (const row of rows)
      for (let g = 0; g < groups; g++) shown[row * width + numbers + classes + g] = g === head ? 1 : 0
    predictTrees(boosted, { values: shown, width, priors }, rows, scores, classes)
    for (const row of rows) out.set(scores.subarray(row * classes, (row + 1) * classes), (row * heads + head) * classes)
  }
}

function logPrior({ labels, weights, classes }: ScorerData): Float32Array {
  const sums = new Float64Array(classes).fill(1)
  for (let row = 0; row < labels.length; row++) sums[labels[row]!]! += weights[row]!
  const total = sums.reduce((a, b) => a + b, 0)
  return Float32Array.from(sums, (sum) => Math.log(sum / total))
}
