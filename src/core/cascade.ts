// The cascade: which tier is asked next about which items, and what each item ends as.
// A pure state machine; the engine does the asking.
//
//   open ──next──► { tier, items } ──fold(replies)──► … ──next──► undefined ──close──► outcomes
//
// An item leaves the open set with its first sure answer. Of the unsure ones the last short list is kept:
// it is what the fallback role shows the LLM.
import { PASS } from './answer.ts'
import { gateMiss } from './gate.ts'
import type { Answer, Ranked, Reply } from './answer.ts'
import type { Gate, GateMiss } from './gate.ts'
import type { Item, Tier } from './item.ts'
import type { Outcome } from './outcome.ts'

interface Standing {
  readonly answer?: Answer
  /** The last answer that was not sure. */
  readonly best?: Answer
  readonly shortlist: readonly Ranked[]
  readonly why: GateMiss
}

export interface Cascade {
  readonly items: readonly Item[]
  readonly gate: Gate
  /** Tiers not asked yet, in order. */
  readonly order: readonly Tier[]
  /** Positions in `items` that no tier was sure of so far. */
  readonly open: readonly number[]
  /** One per item: what is known of it. */
  readonly standings: readonly Standing[]
}

const UNKNOWN: Standing = { shortlist: [], why: { kind: 'no-answer' } }

export function open(items: readonly Item[], order: readonly Tier[], gate: Gate): Cascade {
  return { items, gate, order, open: items.map((_, index) => index), standings: items.map(() => UNKNOWN) }
}

/** The next question, or undefined when no tier or no item is left. */
export function next(cascade: Cascade): { tier: Tier; items: readonly Item[] } | undefined {
  const tier = cascade.order[0]
  if (tier === undefined || cascade.open.length === 0) return undefined
  return { tier, items: cascade.open.map((index) => cascade.items[index]!) }
}

/** Folds the replies to the last `next` in, one per item asked and in its order; a missing reply is a pass. */
export function fold(cascade: Cascade, replies: readonly Reply[]): Cascade {
  const standings = cascade.standings.slice()
  const stillOpen: number[] = []
  cascade.open.forEach((index, position) => {
    const reply = replies[position] ?? PASS
    const standing = reply.kind === 'pass' ? standings[index]! : weigh(cascade.gate, reply.answer, reply.shortlist)
    standings[index] = standing
    if (standing.answer === undefined) stillOpen.push(index)
  })
  return { ...cascade, order: cascade.order.slice(1), open: stillOpen, standings }
}

function weigh(gate: Gate, answer: Answer, shortlist: readonly Ranked[]): Standing {
  const why = gateMiss(gate, answer)
  return why ? { best: answer, shortlist, why } : { answer, shortlist, why: { kind: 'no-answer' } }
}

/** One outcome per item, in input order. */
export function close(cascade: Cascade): Outcome[] {
  return cascade.items.map((item, index) => {
    const { answer, best, shortlist, why } = cascade.standings[index]!
    if (answer) return { kind: 'result', item, answer }
    return { kind: 'fallback', item, shortlist, why, ...(best ? { best } : {}) }
  })
}
