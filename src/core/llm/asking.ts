// Decides what is asked of the LLM next, and what each question ends as. A pure state machine; the tier does the asking.
//
//   open ──plan──► calls ──fold(call, heard)──► … ──plan──► no calls: every question has its verdict
//
//   of a question:  waiting ──valid label──────────► answered; where it is audited: waiting, alone, once more
//                   waiting ──a step of the walk───► waiting at the next stage
//                   waiting ──no label fits────────► review
//                   waiting ──its answer is at fault────► waiting, alone        ┐ after asks_max faults:
//                   waiting ──the whole reply is at fault─► waiting, in a smaller call ┘ review
//
// A text that looks as if it spoke to the LLM is asked alone, and answered only as the local model would have.
// An outage is no fault and never comes here: calls that did not take place are not folded.
import { checkReply } from './check.ts'
import { choicesAt, ENUM_MAX, firstStage, SHORTLIST_MAX, stageKey } from './choices.ts'
import { grouped } from './grouping.ts'
import { covering } from './shortlist.ts'
import { estimateTokens } from './tokens.ts'
import { pathKey } from '../labels.ts'
import { NONE } from '../prompt.ts'
import type { Ranked } from '../answer.ts'
import type { LabelPath, LabelSet } from '../labels.ts'
import type { Fault } from './check.ts'
import type { Choices, Stage, Step } from './choices.ts'
import type { Candidate } from './grouping.ts'
import type { Seen } from './tuning.ts'

/** One distinct text with what the local model made of it. */
export interface Question {
  readonly segments: readonly string[]
  /** Most probable first; `open` keeps what the limits ask for. */
  readonly shortlist: readonly Ranked[]
  /** See core/llm/suspicion.ts. */
  readonly suspicious?: boolean
  /** Asked again alone once it is answered, to measure what sharing a call does to answers. */
  readonly audited?: boolean
}

export type Verdict =
  | { readonly kind: 'answered'; readonly label: LabelPath }
  | { readonly kind: 'review'; readonly why: Fault | 'no-label-fits' | 'suspicious' }

interface Standing {
  readonly stage: Stage
  /** Asks that brought no valid answer. */
  readonly faults: number
  /** Its own answer was at fault, not the whole reply: it shares no call any more. */
  readonly alone?: boolean
  /** The answer under audit, and how many items were in its call. */
  readonly first?: { readonly label: LabelPath; readonly size: number }
  readonly verdict?: Verdict
}

export interface AskLimits {
  readonly items_per_call_max: number
  /** Asks without a valid answer after which a question goes to review; at least 1. */
  readonly asks_max: number
  /** About the tokens of one request; an item that is longer is asked all the same. */
  readonly prompt_tokens_max: number
  /** A short list has the fewest paths that hold this probability together, … */
  readonly shortlist_mass: number
  /** … and this many at most. */
  readonly shortlist_max: number
}

export interface Asking {
  readonly labels: LabelSet
  readonly limits: AskLimits
  readonly questions: readonly Question[]
  /** One per question: the probability that its short list leaves out. */
  readonly leftOut: readonly number[]
  /** One per question. */
  readonly standings: readonly Standing[]
}

/** One call to be made. Ids are "1", "2", … in the order of `questions` (positions in the asking). */
export interface Call {
  readonly questions: readonly number[]
  readonly stage: Stage
  readonly choices: Choices
}

export type Heard =
  | { readonly kind: 'reply'; readonly text: string; readonly finish: 'stop' | 'length' | 'refusal' }
  /** The provider did not take this very request, or what it sent could not be read. */
  | { readonly kind: 'rejected' }

/** Rules, task and schema of a request, without labels and items. */
const FIXED_TOKENS = 300
const LINE_TOKENS = 20
const LABEL_TOKENS = 6

export function open(labels: LabelSet, questions: readonly Question[], limits: AskLimits): Asking {
  const most = Math.min(limits.shortlist_max, SHORTLIST_MAX)
  const cut = questions.map(({ shortlist }) => covering(shortlist, limits.shortlist_mass, most))
  return {
    labels,
    limits,
    questions: questions.map((question, index) => ({ ...question, shortlist: cut[index]!.labels })),
    leftOut: cut.map(({ mass }) => 1 - mass),
    standings: cut.map((list) => ({ stage: firstStage(labels, list.labels), faults: 0 })),
  }
}

export function callIds(call: Call): string[] {
  return call.questions.map((_, index) => String(index + 1))
}

/** Calls that hold each waiting question once; empty when all have their verdict. */
export function plan(asking: Asking): Call[] {
  const { labels, limits, questions } = asking
  const waiting = new Map<string, { stage: Stage; size: number; members: number[] }>()
  asking.standings.forEach((standing, index) => {
    if (standing.verdict !== undefined) return
    const size = callSize(limits, standing, questions[index]!)
    const key = `${size} ${stageKey(standing.stage)}`
    const group = waiting.get(key) ?? { stage: standing.stage, size, members: [] }
    waiting.set(key, group)
    group.members.push(index)
  })
  const top = (index: number) => pathKey(questions[index]!.shortlist[0]?.label ?? [])
  return [...waiting.values()].flatMap(({ stage, size, members }) => {
    if (stage.kind === 'shortlist') members.sort((a, b) => (top(a) < top(b) ? -1 : Number(top(a) > top(b)) || a - b))
    const shared = stage.kind === 'shortlist' ? new Map<string, number>() : costOf(choicesAt(labels, stage, []))
    const fixed = FIXED_TOKENS + [...shared.values()].reduce((sum, tokens) => sum + tokens, 0)
    const bounds = { items_max: size, tokens_max: limits.prompt_tokens_max, labels_max: ENUM_MAX - 1 }
    return grouped(
      members.map((index) => candidate(questions[index]!, index, stage)),
      fixed,
      bounds,
    ).map((indices): Call => {
      const shortlists = indices.map((index) => questions[index]!.shortlist)
      return { questions: indices, stage, choices: choicesAt(labels, stage, shortlists) }
    })
  })
}

function candidate({ segments, shortlist }: Question, index: number, stage: Stage): Candidate {
  const keys = stage.kind === 'shortlist' ? shortlist.map(({ label }) => pathKey(label)) : []
  return {
    index,
    tokens: LINE_TOKENS + estimateTokens(segments.join(' ')),
    labels: new Map(keys.map((key) => [key, labelTokens(key)])),
  }
}

function costOf({ steps }: Choices): Map<string, number> {
  return new Map([...steps.keys()].map((key) => [key, labelTokens(key)]))
}

/** A label stands in the list and in the schema. */
function labelTokens(key: string): number {
  return LABEL_TOKENS + 2 * estimateTokens(key)
}

/**
 * How many questions may share a call. After a reply that was at fault as a whole: the first ask is a full call, the last
 * one is alone, geometric in between, so that a question that spoils its calls is parted from its innocent neighbours
 * within their tries.
 */
function callSize({ items_per_call_max, asks_max }: AskLimits, standing: Standing, { suspicious }: Question): number {
  const { faults, alone, first } = standing
  if (suspicious || alone || first) return 1
  if (asks_max <= 1) return items_per_call_max
  return Math.max(1, Math.round(items_per_call_max ** ((asks_max - 1 - faults) / (asks_max - 1))))
}

export interface Folded {
  readonly asking: Asking
  /** One entry per question of the call that was answered in vain. */
  readonly faults: readonly Fault[]
  /** What the call teaches about sizes and short lists. */
  readonly seen: Seen
}

/** Folds what was heard to a call in. */
export function fold(asking: Asking, call: Call, heard: Heard): Folded {
  const standings = asking.standings.slice()
  const faults: Fault[] = []
  const seen = { size: call.questions.length, asked: 0, faults: 0, leftOut: 0, missed: 0 }
  const audits: { size: number; same: boolean }[] = []
  const { answers, whole } = judge(call, heard)
  call.questions.forEach((index, position) => {
    const standing = standings[index]!
    const question = asking.questions[index]!
    const answer = answers[position]!
    const isFirst = standing.faults === 0 && standing.first === undefined
    if ('fault' in answer) {
      faults.push(answer.fault)
      seen.faults += Number(isFirst)
      standings[index] = stumble(asking.limits, standing, answer.fault, whole)
    } else {
      const step = call.choices.steps.get(answer.label)!
      if (standing.first && step.label)
        audits.push({ size: standing.first.size, same: pathKey(step.label) === pathKey(standing.first.label) })
      if (isFirst && call.stage.kind === 'shortlist') {
        seen.leftOut += asking.leftOut[index]!
        seen.missed += Number(answer.label === NONE && step.label === undefined)
      }
      standings[index] = take(standing, question, step, call.questions.length)
    }
    seen.asked += Number(isFirst)
  })
  return { asking: { ...asking, standings }, faults, seen: { ...seen, audits } }
}

type Judged = readonly ({ readonly label: string } | { readonly fault: Fault })[]

/** `whole`: the reply was at fault as such, not single answers of it. */
function judge(call: Call, heard: Heard): { readonly answers: Judged; readonly whole: boolean } {
  const all = (fault: Fault) => ({ answers: call.questions.map(() => ({ fault })), whole: true })
  if (heard.kind === 'rejected') return all('rejected')
  if (heard.finish !== 'stop') return all(heard.finish)
  const ids = callIds(call)
  const labels = call.choices.steps
  const checked = checkReply(heard.text, { ids, labels, replyChars_max: replyChars_max(call) })
  return checked.ok ? { answers: ids.map((id) => checked.answers.get(id)!), whole: false } : all(checked.fault)
}

/** Twice the longest honest reply with every character escaped: more is no answer. */
function replyChars_max(call: Call): number {
  let longest = 0
  for (const label of call.choices.steps.keys()) longest = Math.max(longest, label.length)
  return 1_000 + call.questions.length * 2 * (100 + longest * 6)
}

function stumble({ asks_max }: AskLimits, standing: Standing, fault: Fault, whole: boolean): Standing {
  const next = { ...standing, faults: standing.faults + 1, alone: standing.alone || !whole }
  if (next.faults < asks_max) return next
  // The audit came to nothing; the answer that it was to measure stands.
  if (standing.first) return { ...next, verdict: { kind: 'answered', label: standing.first.label } }
  return { ...next, verdict: { kind: 'review', why: fault } }
}

function take(standing: Standing, question: Question, { label, stage }: Step, size: number): Standing {
  if (stage !== undefined) return { ...standing, stage }
  if (label === undefined) return { ...standing, verdict: { kind: 'review', why: 'no-label-fits' } }
  const guess = question.shortlist[0]
  if (question.suspicious && (guess === undefined || pathKey(guess.label) !== pathKey(label)))
    return { ...standing, verdict: { kind: 'review', why: 'suspicious' } }
  if (question.audited && size > 1 && standing.first === undefined) return { ...standing, first: { label, size } }
  return { ...standing, verdict: { kind: 'answered', label } }
}
