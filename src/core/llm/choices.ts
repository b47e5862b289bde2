// Which labels are put before the LLM. A label set never goes whole into a prompt unless it is small:
//
//   short list ──none_of_these──► walk [] ──l1──► walk [l1] ──path──► done
//                                   └─none_of_these─► next piece, or no label fits
//
// A walk offers the paths under its node where they are few, else the node's children; what is still too long is cut
// into pieces that are offered one after the other.
import { NONE } from '../prompt.ts'
import { pathKey } from '../labels.ts'
import type { Ranked } from '../answer.ts'
import type { LabelPath, LabelSet } from '../labels.ts'

export type Stage =
  | { readonly kind: 'shortlist' }
  | { readonly kind: 'walk'; readonly prefix: LabelPath; readonly piece: number }

/** What choosing a value leads to; `stage` undefined with `label` undefined: no label of the set fits. */
export interface Step {
  readonly label?: LabelPath
  readonly stage?: Stage
}

export interface Choices {
  /** By enum value, in the order in which they are shown. */
  readonly steps: ReadonlyMap<string, Step>
  readonly whole: boolean
}

/** Up to this many paths the whole set is shown, and no way out of it. */
const WHOLE_SET_MAX = 50
/** OpenAI bounds the text of an enum of more than 250 values (structured outputs, "supported schemas"). */
export const ENUM_MAX = 250
/** Paths of one item's short list, whatever the configuration says. */
export const SHORTLIST_MAX = 20

const WALK: Stage = { kind: 'walk', prefix: [], piece: 0 }

/** Where an item starts: at its short list, unless the set is small or there is none. */
export function firstStage(set: LabelSet, shortlist: readonly Ranked[]): Stage {
  return set.paths.length > WHOLE_SET_MAX && shortlist.length > 0 ? { kind: 'shortlist' } : WALK
}

/**
 * The labels on offer to items that share a call. `shortlists`: theirs, with fewer than ENUM_MAX labels together; only read
 * at the stage `shortlist`.
 */
export function choicesAt(set: LabelSet, stage: Stage, shortlists: readonly (readonly Ranked[])[]): Choices {
  const steps = new Map<string, Step>()
  if (stage.kind === 'shortlist') {
    for (const list of shortlists) for (const { label } of list) steps.set(pathKey(label), { label })
    return { steps: withNone(steps, { stage: WALK }), whole: false }
  }
  const { prefix, piece } = stage
  const under = set.paths.filter((path) => prefix.every((name, level) => path[level] === name))
  const whole = set.paths.length <= WHOLE_SET_MAX
  const last = prefix.length + 1 >= set.levels
  const nodes = whole || last || (prefix.length > 0 && under.length < ENUM_MAX) ? under : children(under, prefix.length)
  const size = whole ? nodes.length : ENUM_MAX - 1
  for (const path of nodes.slice(piece * size, (piece + 1) * size))
    steps.set(
      pathKey(path),
      path.length === set.levels ? { label: path } : { stage: { kind: 'walk', prefix: path, piece: 0 } },
    )
  if (whole) return { steps, whole }
  const more = (piece + 1) * size < nodes.length
  return { steps: withNone(steps, more ? { stage: { kind: 'walk', prefix, piece: piece + 1 } } : {}), whole }
}

/** Equal for stages that may share a call. */
export function stageKey(stage: Stage): string {
  return stage.kind === 'shortlist' ? 'shortlist' : `walk ${stage.piece} ${pathKey(stage.prefix)}`
}

function withNone(steps: Map<string, Step>, step: Step): Map<string, Step> {
  return steps.has(NONE) ? steps : steps.set(NONE, step)
}

function children(paths: readonly LabelPath[], level: number): LabelPath[] {
  return [...new Map(paths.map((path) => [pathKey(path.slice(0, level + 1)), path.slice(0, level + 1)])).values()]
}
