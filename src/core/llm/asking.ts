// Decides what is asked of the LLM next, and what each question ends as. A pure state machine; the tier does the asking.
//
//   open ──plan──► calls ──fold(call, heard)──► … ──plan──► no calls: every question has its verdict
//
//   of a question:  waiting ──valid label──────────► answered
//                   waiting ──a step of the walk───► waiting at the next stage
//                   waiting ──no label fits────────► review
//                   waiting ──fault────────────────► waiting, in a smaller call; after asks_max faults: review
//
// An outage is no fault and never comes here: calls that did not take place are not folded.
import { checkReply } from './check.ts'
import { choicesAt, firstStage, stageKey } from './choices.ts'
import { pathKey } from '../labels.ts'
import type { Ranked } from '../answer.ts'
import type { LabelPath, LabelSet } from '../labels.ts'
import type { Fault } from './check.ts'
import type { Choices, Stage } from './choices.ts'

/** One distinct text with what the local model made of it. */
export interface Question {
  readonly segments: readonly string[]
  readonly shortlist: readonly Ranked[]
}

export type Verdict =
  | { readonly kind: 'answered'; readonly label: LabelPath }
  | { readonly kind: 'review'; readonly why: Fault | 'no-label-fits' }

interface Standing {
  readonly stage: Stage
  /** Asks that brought no valid answer. */
  readonly faults: number
  readonly verdict?: Verdict
}

export interface AskLimits {
  readonly items_per_call_max: number
  /** Asks without a valid answer after which a question goes to review; at least 1. */
  readonly asks_max: number
}

export interface Asking {
  readonly labels: LabelSet
  readonly limits: AskLimits
  readonly questions: readonly Question[]
  /** One per question. */
  readonly standings: readonly Standing[]
}

/** One call to be made. Ids are "1", "2", … in the order of `questions` (positions in the asking). */
export interface Call {
  readonly questions: readonly number[]
  readonly choices: Choices
}

export type Heard =
  | { readonly kind: 'reply'; readonly text: string; readonly finish: 'stop' | 'length' | 'refusal' }
  /** The provider did not take this very request, or what it sent could not be read. */
  | { readonly kind: 'rejected' }

export function open(labels: LabelSet, questions: readonly Question[], limits: AskLimits): Asking {
  const standings = questions.map(({ shortlist }) => ({ stage: firstStage(labels, shortlist), faults: 0 }))
  return { labels, limits, questions, standings }
}

export function callIds(call: Call): string[] {
  return call.questions.map((_, index) => String(index + 1))
}

/** One call for each group of waiting questions that can share one; empty when all have their verdict. */
export function plan(asking: Asking): Call[] {
  const groups = new Map<string, { stage: Stage; size: number; members: number[] }>()
  asking.standings.forEach(({ stage, faults, verdict }, index) => {
    if (verdict !== undefined) return
    const size = callSize(asking.limits, faults)
    const key = `${size} ${stageKey(stage)}`
    const group = groups.get(key) ?? { stage, size, members: [] }
    groups.set(key, group)
    group.members.push(index)
  })
  const top = (index: number) => pathKey(asking.questions[index]!.shortlist[0]?.label ?? [])
  const calls: Call[] = []
  for (const { stage, size, members } of groups.values()) {
    // Neighbours by their most probable label: their short lists overlap, and the enum stays short.
    if (stage.kind === 'shortlist') members.sort((a, b) => (top(a) < top(b) ? -1 : Number(top(a) > top(b)) || a - b))
    for (let at = 0; at < members.length; at += size) {
      const questions = members.slice(at, at + size)
      const shortlists = questions.map((index) => asking.questions[index]!.shortlist)
      calls.push({ questions, choices: choicesAt(asking.labels, stage, shortlists) })
    }
  }
  return calls
}

/**
 * How many questions may share a call after `faults` asks in vain: the first ask is a full call, the last one is alone,
 * geometric in between. A question that spoils its calls is so parted from its innocent neighbours within their tries.
 */
function callSize({ items_per_call_max, asks_max }: AskLimits, faults: number): number {
  if (asks_max <= 1) return items_per_call_max
  return Math.max(1, Math.round(items_per_call_max ** ((asks_max - 1 - faults) / (asks_max - 1))))
}

/** Folds what was heard to a call in; `faults` has one entry per question of the call that was answered in vain. */
export function fold(asking: Asking, call: Call, heard: Heard): { asking: Asking; faults: readonly Fault[] } {
  const standings = asking.standings.slice()
  const faults: Fault[] = []
  const judged = judge(call, heard)
  call.questions.forEach((index, position) => {
    const standing = standings[index]!
    const answer = judged[position]!
    if ('fault' in answer) faults.push(answer.fault)
    standings[index] = 'fault' in answer ? stumble(asking.limits, standing, answer.fault) : take(call, standing, answer)
  })
  return { asking: { ...asking, standings }, faults }
}

function judge(call: Call, heard: Heard): readonly ({ readonly label: string } | { readonly fault: Fault })[] {
  const all = (fault: Fault) => call.questions.map(() => ({ fault }))
  if (heard.kind === 'rejected') return all('rejected')
  if (heard.finish !== 'stop') return all(heard.finish)
  const ids = callIds(call)
  const labels = call.choices.steps
  const checked = checkReply(heard.text, { ids, labels, replyChars_max: replyChars_max(call) })
  return checked.ok ? ids.map((id) => checked.answers.get(id)!) : all(checked.fault)
}

/** Twice the longest honest reply with every character escaped: more is no answer. */
function replyChars_max(call: Call): number {
  let longest = 0
  for (const label of call.choices.steps.keys()) longest = Math.max(longest, label.length)
  return 1_000 + call.questions.length * 2 * (100 + longest * 6)
}

function stumble({ asks_max }: AskLimits, standing: Standing, fault: Fault): Standing {
  const faults = standing.faults + 1
  return faults < asks_max ? { ...standing, faults } : { ...standing, faults, verdict: { kind: 'review', why: fault } }
}

function take(call: Call, standing: Standing, { label }: { readonly label: string }): Standing {
  const step = call.choices.steps.get(label)!
  if (step.label !== undefined) return { ...standing, verdict: { kind: 'answered', label: step.label } }
  if (step.stage !== undefined) return { ...standing, stage: step.stage }
  return { ...standing, verdict: { kind: 'review', why: 'no-label-fits' } }
}
