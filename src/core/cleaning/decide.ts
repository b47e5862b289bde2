// What becomes of each row's label: kept, replaced by another existing path, or the row dropped; always with the reason.
// Never touches what a person labelled, what the model agrees with, or more than the caps allow. Pure: the decisions
// depend on the rows and not on their order.
import { corrected, estimatedNoise, noiseAtMost } from './noise.ts'
import type { Tree } from '../lexical/tree.ts'
import type { Evidence } from './evidence.ts'
import type { CleaningSettings } from './settings.ts'

/** What is known of the rows besides their labels; everything row by row. */
export interface RowFacts {
  /** Tells rows apart and breaks ties. */
  readonly keys: readonly string[]
  /** 1 where a person gave the label. */
  readonly human: Uint8Array
  /** 1 where the same text carries another label elsewhere in the data. */
  readonly twoLabels: Uint8Array
  readonly sources: readonly string[]
  /** Group of near-duplicates. */
  readonly clusters: Int32Array
}

export type KeptBecause =
  | 'agrees'
  | 'human'
  | 'two labels'
  | 'rare label'
  | 'no answer'
  | 'unsure'
  | 'noise cap'
  | 'source cap'
  | 'class cap'
  | 'cluster cap'

export type Decision =
  | { readonly action: 'keep'; readonly reason: KeptBecause }
  | {
      readonly action: 'replace'
      readonly reason: 'sure of another path'
      /** First level that differs, 0 for l1: the names above it stay. */
      readonly level: number
      /** Index of the new path. */
      readonly to: number
      readonly sureness: number
    }
  | {
      readonly action: 'drop'
      readonly reason: 'wrong, right one unsure'
      readonly level: number
      readonly sureness: number
    }

/** Pure function of its arguments; one decision a row, in their order. */
export function decide(evidence: Evidence, facts: RowFacts, tree: Tree, settings: CleaningSettings): Decision[] {
  const noise = estimatedNoise(evidence, tree)
  const rowsOf = new Int32Array(tree.paths)
  for (const path of evidence.given) rowsOf[path]! += 1
  const wished = Array.from({ length: evidence.rows }, (_, row): Decision => {
    const given = evidence.given[row]!
    if (facts.human[row] === 1) return keep('human')
    if (facts.twoLabels[row] === 1) return keep('two labels')
    if (evidence.best[row]! < 0) return keep('no answer')
    if (evidence.best[row] === given) return keep('agrees')
    if (rowsOf[given]! < settings.classRowsMin) return keep('rare label')
    return judge(evidence, row, tree, noise, settings)
  })
  return capped(wished, evidence, facts, tree, settings)
}

const keep = (reason: KeptBecause): Decision => ({ action: 'keep', reason })

function judge(
  evidence: Evidence,
  row: number,
  tree: Tree,
  noise: readonly number[],
  settings: CleaningSettings,
): Decision {
  const best = evidence.best[row]!
  const of = (levels: Float32Array, level: number) =>
    corrected(levels[row * tree.levels + level]!, noise[level]!, tree.nodes[level]!)
  const level = tree.nodeOf.findIndex((nodeOf) => nodeOf[best] !== nodeOf[evidence.given[row]!])
  const sureness = between(of(evidence.bestLevels, level), of(evidence.givenLevels, level))
  const likely = of(evidence.bestLevels, level) >= settings.likelyMin
  if (sureness < atLevel(settings.wrongMin, level) || !likely) return keep('unsure')
  for (let below = level; below < tree.levels; below++)
    if (of(evidence.bestLevels, below) < atLevel(settings.replaceMin, below))
      return { action: 'drop', reason: 'wrong, right one unsure', level, sureness }
  return { action: 'replace', reason: 'sure of another path', level, to: best, sureness }
}

/** Were it one of the two: the probability of the first; .5 where both are 0. */
function between(one: number, other: number): number {
  return one + other === 0 ? 0.5 : one / (one + other)
}

/** Settings of a level; the last one holds for all deeper ones. */
function atLevel(values: readonly number[], level: number): number {
  return values[Math.min(level, values.length - 1)]!
}

/**
 * Grants the wishes, the surest first, until a cap is reached: no more labels change than are probably wrong, per level
 * (pruning by noise rate, Northcutt et al. 2021, section 3.2), nor more of a source, label or cluster than the settings
 * allow.
 */
function capped(
  wished: readonly Decision[],
  evidence: Evidence,
  facts: RowFacts,
  tree: Tree,
  settings: CleaningSettings,
): Decision[] {
  // How many labels may still change at this level or above.
  const wrong = noiseAtMost(evidence, tree).map((share) => Math.floor(share * evidence.rows))
  const source = new Budget(facts.sources, settings.sourceShareMax, 0)
  const label = new Budget(evidence.given, settings.classShareMax, 0)
  const cluster = new Budget(facts.clusters, settings.clusterShareMax, 1)
  const decisions = [...wished]
  const wishes = wished.flatMap((decision, row) => (decision.action === 'keep' ? [] : [{ row, decision }]))
  wishes.sort((a, b) => b.decision.sureness - a.decision.sureness || (facts.keys[a.row]! < facts.keys[b.row]! ? -1 : 1))
  for (const { row, decision } of wishes) {
    if (wrong.slice(decision.level).includes(0)) decisions[row] = keep('noise cap')
    else if (!source.open(row)) decisions[row] = keep('source cap')
    else if (!label.open(row)) decisions[row] = keep('class cap')
    else if (!cluster.open(row)) decisions[row] = keep('cluster cap')
    else {
      for (const budget of [source, label, cluster]) budget.spend(row)
      for (let level = decision.level; level < wrong.length; level++) wrong[level]! -= 1
    }
  }
  return decisions
}

/** How many rows of each group may still change. */
class Budget {
  readonly #groups: ArrayLike<number | string>
  readonly #left = new Map<number | string, number>()

  constructor(groups: ArrayLike<number | string>, shareMax: number, least: number) {
    this.#groups = groups
    const sizes = new Map<number | string, number>()
    for (let row = 0; row < groups.length; row++) sizes.set(groups[row]!, (sizes.get(groups[row]!) ?? 0) + 1)
    for (const [group, size] of sizes) this.#left.set(group, Math.max(Math.floor(shareMax * size), least))
  }

  open(row: number): boolean {
    return this.#left.get(this.#groups[row]!)! > 0
  }

  spend(row: number): void {
    const group = this.#groups[row]!
    this.#left.set(group, this.#left.get(group)! - 1)
  }
}
