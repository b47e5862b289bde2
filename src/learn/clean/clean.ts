// Cleaning of labels by out-of-fold self-distillation: every row is judged by a model that saw neither the row nor its
// near-duplicates. A round trains on what the round before made of the labels; every round judges the given ones.
import { fitTemperatures } from '../../core/calibration/temperature.ts'
import { decide } from '../../core/cleaning/decide.ts'
import { emptyEvidence, gather } from '../../core/cleaning/evidence.ts'
import { foldsOf } from '../../core/cleaning/folds.ts'
import { estimatedNoise } from '../../core/cleaning/noise.ts'
import { SluiceError } from '../../core/error.ts'
import { pathIndex, pathKey } from '../../core/labels.ts'
import { tree as treeOf } from '../../core/lexical/tree.ts'
import { heldLogits } from '../lexical/held-logits.ts'
import type { LevelLogits } from '../../core/calibration/temperature.ts'
import type { Decision } from '../../core/cleaning/decide.ts'
import type { Evidence } from '../../core/cleaning/evidence.ts'
import type { CleaningSettings } from '../../core/cleaning/settings.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { Example } from '../examples.ts'
import type { LexicalSettings } from '../lexical/settings.ts'
import type { Held } from '../lexical/validate.ts'
import type { CleanRows } from './rows.ts'

export interface CleanOptions {
  readonly folds: number
  readonly rounds: number
  readonly seed: number
  readonly lexical: LexicalSettings
  readonly cleaning: CleaningSettings
}

/** `done` of `total` steps of all folds of all rounds. */
export interface CleanProgress {
  readonly round: number
  readonly fold: number
  readonly done: number
  readonly total: number
  readonly loss: number
}

export interface CleanTools {
  readonly runtime: GraphRuntime
  readonly signal: AbortSignal
  readonly report: (progress: CleanProgress) => void
}

export interface Cleaning {
  readonly tree: Tree
  /** One a row, in their order. */
  readonly decisions: readonly Decision[]
  /** Of the last round. */
  readonly evidence: Evidence
  /** Per level, from the last round. */
  readonly estimatedNoise: readonly number[]
}

/** Fewer rows a fold than this teach nothing. */
const FOLD_ROWS_MIN = 10
/** Temperatures are fitted on at most this many held-out rows of a fold: three numbers need no more. */
const TEMPERATURE_ROWS = 2000

/** Throws SL502 where the rows are too few for the folds, what `heldLogits` throws, the signal's reason when aborted. */
export async function clean(data: CleanRows, options: CleanOptions, tools: CleanTools): Promise<Cleaning> {
  const { folds, rounds, seed } = options
  const { examples, facts } = data
  if (examples.length < folds * FOLD_ROWS_MIN)
    throw new SluiceError('SL502', `${examples.length} rows are too few for ${folds} folds: ${FOLD_ROWS_MIN} a fold`)
  const tree = treeOf(data.labels)
  const paths = pathIndex(data.labels)
  const given = Int32Array.from(examples, ({ label }) => paths.get(pathKey(label))!)
  const foldOf = foldsOf(facts.clusters, folds, seed)
  let evidence = emptyEvidence(given, tree)
  let decisions: Decision[] = []
  let labels = given
  for (let round = 0; round < rounds; round++) {
    evidence = emptyEvidence(given, tree)
    for (let fold = 0; fold < folds; fold++) {
      const kept = subset(examples, labels, (row) => foldOf[row] !== fold && labels[row]! >= 0)
      const held = subset(examples, given, (row) => foldOf[row] === fold)
      if (held.rows.length === 0 || kept.rows.length === 0)
        throw new SluiceError('SL502', `the rows say too nearly the same for ${folds} folds: take fewer with --folds`)
      const logits = await heldLogits(kept, held, tree, seed + fold, options.lexical, {
        ...tools,
        onStep: (step, steps, loss) => {
          const done = (round * folds + fold) * steps + step
          tools.report({ round, fold, done, total: rounds * folds * steps, loss })
        },
      })
      gather(evidence, held.rows, logits, tree, fitTemperatures(sample(logits, tree), tree))
    }
    decisions = decide(evidence, facts, tree, options.cleaning)
    labels = Int32Array.from(given, (path, row) => after(decisions[row]!, path))
  }
  return { tree, decisions, evidence, estimatedNoise: estimatedNoise(evidence, tree) }
}

/** Index of a row's path after the decision; −1 where the row is dropped. */
export function after(decision: Decision, given: number): number {
  if (decision.action === 'replace') return decision.to
  return decision.action === 'keep' ? given : -1
}

interface Subset extends Held {
  /** Their places in the whole. */
  readonly rows: Int32Array
}

function subset(examples: readonly Example[], labels: Int32Array, takes: (row: number) => boolean): Subset {
  const rows = Int32Array.from(examples.keys().filter(takes))
  return {
    rows,
    examples: Array.from(rows, (row) => examples[row]!),
    gold: rows.map((row) => labels[row]!),
  }
}

/** Evenly spread rows, TEMPERATURE_ROWS at most. */
function sample(data: LevelLogits, tree: Tree): LevelLogits {
  const stride = Math.ceil(data.rows / TEMPERATURE_ROWS)
  const rows = Array.from({ length: Math.ceil(data.rows / stride) }, (_, at) => at * stride)
  return {
    rows: rows.length,
    gold: Int32Array.from(rows, (row) => data.gold[row]!),
    logits: data.logits.map((logits, level) => {
      const nodes = tree.nodes[level]!
      const taken = new Float32Array(rows.length * nodes)
      rows.forEach((row, at) => taken.set(logits.subarray(row * nodes, (row + 1) * nodes), at * nodes))
      return taken
    }),
  }
}
