// The similar tier: a text nearly the same as one that the LLM or a person has answered gets that answer, unless what
// differs may matter. A fixed share of such texts is passed on all the same, to know how often this is wrong.
// Must never throw, and never learn from its own answers: errors would spread from text to text.
import { PASS } from '../core/answer.ts'
import type { Answer, Reply } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import { pathKey } from '../core/labels.ts'
import { NO_AUDITS, falseHits, isAudited, isOff, observed } from '../core/similar/audit.ts'
import { answeredTexts } from '../core/similar/entry.ts'
import { neighbours } from '../core/similar/neighbours.ts'
import { signature, similarity } from '../core/similar/signature.ts'
import type { Signature } from '../core/similar/signature.ts'
import { verdict } from '../core/similar/verdict.ts'
import type { Task } from '../core/task.ts'
import { normalise } from '../core/text/normalise.ts'
import type { Emit } from '../ports/events.ts'
import type { NearStore } from '../ports/near.ts'
import type { TierPort } from '../ports/tier.ts'

/** Two texts of similarity .8 share a band with probability .998, of .6 with .73; see core/similar/minhash.ts. */
export const BANDING = { bands: 16, rows: 5 }
/** Audited hits that count; older ones fade. */
const AUDITS_REMEMBERED = 2_000

export interface SimilarTier extends TierPort {
  /**
   * Learns from answers (one per item, undefined where there is none) of the LLM, of people and of a local model that is
   * sure enough; compares audited ones with what this tier would have said. Resolves in bounded time.
   */
  learn(items: readonly Item[], answers: readonly (Answer | undefined)[]): Promise<void>
}

export interface SimilarOptions {
  readonly task: Task
  /** Shared by processes; absent: this one knows what it has learned itself. */
  readonly store: NearStore | undefined
  readonly emit: Emit
}

interface Looked {
  readonly given?: Answer
  readonly found: 'hit' | 'none' | 'clash' | 'disagreement'
}

export function similarTier({ task, store, emit }: SimilarOptions): SimilarTier {
  const { threshold, vetoes, compare, audit_share, false_hits_max, local_min, entries_max } = task.similar
  const known = neighbours<Answer>({ ...BANDING, entries_max })
  const values = answeredTexts(task)
  const sameLabel = (a: Answer, b: Answer) => pathKey(a.label) === pathKey(b.label)
  let audits = NO_AUDITS
  let off = false

  function look(asked: Signature): Looked {
    const said = verdict(asked, known.find(asked, threshold), vetoes, sameLabel)
    if (said.kind === 'doubt') return { found: said.why }
    if (said.kind === 'none') return { found: 'none' }
    return { found: 'hit', given: { ...said.value, probabilities: [], tier: 'similar' } }
  }

  /** Learns what other processes know of these texts. */
  async function ask(shared: NearStore, asked: readonly Signature[]): Promise<void> {
    const found = await shared.find(asked.map(known.bands))
    const learned = new Set<string>()
    let rejected = 0
    found.forEach((entries, at) => {
      for (const { id, value } of entries) {
        if (learned.has(id)) continue
        const entry = values.decode(value)
        const signed = entry && signature(entry.texts, compare)
        if (signed === undefined) rejected++
        else if (similarity(asked[at]!, signed) >= threshold) {
          learned.add(id)
          known.add(signed, entry!.answer)
        }
      }
    })
    if (rejected > 0) emit('cache.rejected', { task: task.name, entries: rejected })
  }

  function audit(asked: Signature, truth: Answer): void {
    const { given } = look(asked)
    if (given === undefined) return
    const isWrong = !sameLabel(given, truth)
    audits = observed(audits, isWrong, AUDITS_REMEMBERED)
    const { rate } = falseHits(audits)
    emit('similar.audited', { task: task.name, right: String(!isWrong), rate })
    const was = off
    off = isOff(audits, false_hits_max, was)
    if (off !== was) emit('similar.switched', { task: task.name, state: off ? 'off' : 'on', rate })
  }

  return {
    async answer(items) {
      const asked = items.map(({ segments }) => signature(segments.map(normalise), compare))
      let looked = asked.map(look)
      const unknown = asked.filter((_, at) => looked[at]!.found === 'none')
      if (store !== undefined && unknown.length > 0) {
        await ask(store, unknown)
        looked = looked.map((it, at) => (it.found === 'none' ? look(asked[at]!) : it))
      }
      const counts = new Map<string, number>()
      const replies = looked.map(({ given, found }, at): Reply => {
        const isPassed = given !== undefined && isAudited(items[at]!.textHash, audit_share)
        const said = isPassed ? 'audited' : off && given ? 'off' : found
        counts.set(said, (counts.get(said) ?? 0) + 1)
        return said === 'hit' ? { kind: 'answer', answer: given!, shortlist: [] } : PASS
      })
      for (const [found, count] of counts) emit('similar.read', { task: task.name, found, items: count })
      return replies
    },
    async learn(items, answers) {
      const shared: Parameters<NearStore['add']>[0][number][] = []
      answers.forEach((answer, at) => {
        const item = items[at]
        if (answer === undefined || item === undefined || !isTrusted(answer, local_min)) return
        const texts = item.segments.map(normalise)
        const signed = signature(texts, compare)
        if (isAudited(item.textHash, audit_share)) audit(signed, answer)
        known.add(signed, answer)
        shared.push({ id: item.textHash, value: values.encode({ texts, answer }), bands: known.bands(signed) })
      })
      if (shared.length > 0) await store?.add(shared)
    },
  }
}

/** What may be learned: asserted answers, and local ones with at least this probability on every level. */
function isTrusted({ tier, probabilities }: Answer, local_min: number): boolean {
  if (tier === 'llm' || tier === 'human') return true
  return tier === 'local' && probabilities.every((probability) => probability >= local_min)
}
