// The similar tier: a text nearly the same as one that the LLM or a person has answered gets that answer, unless what
// differs may matter. A fixed share of such texts is passed on all the same, to know how often this is wrong.
// Must never throw, and never learn from its own answers: errors would spread from text to text.
import { PASS } from '../core/answer.ts'
import type { Answer, Reply } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import { pathKey } from '../core/labels.ts'
import { NO_AUDITS, falseHits, isAudited, isOff, observed } from '../core/similar/audit.ts'
import { neighbours } from '../core/similar/neighbours.ts'
import { signature } from '../core/similar/signature.ts'
import { verdict } from '../core/similar/verdict.ts'
import type { Similar } from '../core/task.ts'
import type { Emit } from '../ports/events.ts'
import type { TierPort } from '../ports/tier.ts'

/** 16 bands of 5 find a text of similarity .8 with probability .998 and one of .6 with .73. */
const BANDING = { bands: 16, rows: 5 }
/** Audited hits that count; older ones fade. */
const AUDITS_REMEMBERED = 2_000

export interface SimilarTier extends TierPort {
  /**
   * Learns from answers (one per item, undefined where there is none) of the LLM, of people and of a local model surer
   * than the task asks for here; compares audited ones with what this tier would have said.
   */
  learn(items: readonly Item[], answers: readonly (Answer | undefined)[]): void
}

export interface SimilarOptions {
  readonly task: string
  readonly settings: Similar
  readonly emit: Emit
}

export function similarTier({ task, settings, emit }: SimilarOptions): SimilarTier {
  const { threshold, vetoes, compare, audit_share, false_hits_max, local_min, entries_max } = settings
  const known = neighbours<Answer>({ ...BANDING, entries_max })
  const sameLabel = (a: Answer, b: Answer) => pathKey(a.label) === pathKey(b.label)
  let audits = NO_AUDITS
  let off = false

  function look(item: Item): { readonly given: Answer | undefined; readonly found: string } {
    const asked = signature(item.segments, compare)
    const said = verdict(asked, known.find(asked, threshold), vetoes, sameLabel)
    if (said.kind !== 'hit') return { given: undefined, found: said.kind === 'doubt' ? said.why : 'none' }
    return { given: { ...said.value, probabilities: [], tier: 'similar' }, found: 'hit' }
  }

  function audit(item: Item, truth: Answer): void {
    const { given } = look(item)
    if (given === undefined) return
    const isWrong = !sameLabel(given, truth)
    audits = observed(audits, isWrong, AUDITS_REMEMBERED)
    emit('similar.audited', { task, right: String(!isWrong), rate: falseHits(audits).rate })
    const was = off
    off = isOff(audits, false_hits_max, was)
    if (off !== was) emit('similar.switched', { task, state: off ? 'off' : 'on', rate: falseHits(audits).rate })
  }

  return {
    async answer(items) {
      const counts = new Map<string, number>()
      const replies = items.map((item): Reply => {
        const { given, found } = look(item)
        const audited = given !== undefined && isAudited(item.textHash, audit_share)
        const said = audited ? 'audited' : off && given ? 'off' : found
        counts.set(said, (counts.get(said) ?? 0) + 1)
        return said === 'hit' ? { kind: 'answer', answer: given!, shortlist: [] } : PASS
      })
      for (const [found, count] of counts) emit('similar.read', { task, found, items: count })
      return replies
    },
    learn(items, answers) {
      answers.forEach((given, at) => {
        const item = items[at]
        if (given === undefined || item === undefined || !isTrusted(given, local_min)) return
        if (isAudited(item.textHash, audit_share)) audit(item, given)
        known.add(signature(item.segments, compare), given)
      })
    },
  }
}

/** What others may be judged by: asserted answers, and local ones with at least this probability on every level. */
function isTrusted({ tier, probabilities }: Answer, local_min: number): boolean {
  if (tier === 'llm' || tier === 'human') return true
  return tier === 'local' && probabilities.every((probability) => probability >= local_min)
}
