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
import { rowFeatures } from '../lexical/batches.ts'
import { stepsOf } from '../lexical/fit.ts'
import { fits } from '../lexical/fits.ts'
import { epochsFor } from '../lexical/settings.ts'
import type { Decision } from '../../core/cleaning/decide.ts'
import type { Evidence } from '../../core/cleaning/evidence.ts'
import type { CleaningSettings } from '../../core/cleaning/settings.ts'
import type { Tree } from '../../core/lexical/tree.ts'
import type { GraphRuntime } from '../../ports/graph.ts'
import type { LexicalSettings } from '../lexical/settings.ts'
import type { Subset } from '../lexical/batches.ts'
import type { CleanRows } from './rows.ts'

export interface CleanOptions {
  readonly folds: number
  readonly rounds: number
  readonly seed: number
  readonly lexical: LexicalSettings
  readonly cleaning: CleaningSettings
}

/** `done` of `total` steps of all folds of all rounds; `loss` is that of the fold that is spoken of. */
export interface CleanProgress {
  readonly round: number
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

/** Throws SL502 where the rows are too few for the folds, what `fits` throws. */
export async function clean(data: CleanRows, options: CleanOptions, tools: CleanTools): Promise<Cleaning> {
  const { folds, rounds, seed, lexical: settings } = options
  const { examples, facts } = data
  if (examples.length < folds * FOLD_ROWS_MIN)
    throw new SluiceError('SL502', `${examples.length} rows are too few for ${folds} folds: ${FOLD_ROWS_MIN} a fold`)
  const tree = treeOf(data.labels)
  const paths = pathIndex(data.labels)
  const given = Int32Array.from(examples, ({ label }) => paths.get(pathKey(label))!)
  const foldOf = foldsOf(facts.clusters, folds, seed)
  const features = rowFeatures(examples, settings.features)
  let evidence = emptyEvidence(given, tree)
  let decisions: Decision[] = []
  let labels = given
  for (let round = 0; round < rounds; round++) {
    evidence = emptyEvidence(given, tree)
    const parts = Array.from({ length: folds }, (_, fold) => ({
      kept: subset(labels, (row) => foldOf[row] !== fold && labels[row]! >= 0),
      held: subset(given, (row) => foldOf[row] === fold),
      seed: seed + fold,
    }))
    if (parts.some(({ kept, held }) => held.rows.length === 0 || kept.rows.length === 0))
      throw new SluiceError('SL502', `the rows say too nearly the same for ${folds} folds: take fewer with --folds`)
    const inputs = parts.map((part) => {
      const epochs = epochsFor(part.kept.rows.length, settings)
      return { ...part, features, tree, epochs, settings }
    })
    const steps = sum(inputs.map(({ kept, epochs }) => stepsOf(kept.rows.length, epochs)))
    const done = inputs.map(() => 0)
    const fitted = await fits(inputs, {
      ...tools,
      onStep: (fold, step, loss) => {
        done[fold] = step
        tools.report({ round, done: round * steps + sum(done), total: rounds * steps, loss })
      },
    })
    parts.forEach(({ held }, fold) => {
      const { logits } = fitted![fold]!
      gather(evidence, held.rows, logits, tree, fitTemperatures(logits, tree))
    })
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

function subset(labels: Int32Array, takes: (row: number) => boolean): Subset {
  const rows = Int32Array.from(labels.keys().filter(takes))
  return { rows, gold: rows.map((row) => labels[row]!) }
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)
