// The similar tier: a text nearly the same as one that the LLM or a person has answered gets that answer, unless what
// differs may matter. A share of such texts goes on all the same, to know how often this is wrong.
// Must never throw, and never learn from its own answers: errors would spread from text to text.
import { PASS } from '../core/answer.ts'
import type { Answer, Reply } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import { pathKey } from '../core/labels.ts'
import { mustStay } from '../core/local-only.ts'
import { createAudit } from '../core/similar/audit.ts'
import { clash } from '../core/similar/clash.ts'
import { answeredTexts } from '../core/similar/entry.ts'
import { neighbours } from '../core/similar/neighbours.ts'
import { rankOf, supersedes } from '../core/similar/rank.ts'
import { signature, similarity } from '../core/similar/signature.ts'
import type { Signature } from '../core/similar/signature.ts'
import { verdict } from '../core/similar/verdict.ts'
import type { Task } from '../core/task.ts'
import { normalise } from '../core/text/normalise.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { NearAddition, NearEntry, NearStore } from '../ports/near.ts'
import type { TierPort } from '../ports/tier.ts'

/** Two texts of similarity .8 share a band with probability .998, of .6 with .73; see core/similar/minhash.ts. */
export const BANDING = { bands: 16, rows: 5 }
/** A correction made by another process stays unseen in this one for at most this long. */
const BELIEVED_MS = 300_000
/** A tier that is off is said to be, to processes that hear nothing of its false hits, this often. */
const SAY_AGAIN_MS = 600_000

export interface SimilarTier extends TierPort {
  /**
   * Learns from answers (one per item, undefined where there is none) of the LLM, of people and of a local model that is
   * sure enough; compares audited ones with what this tier would have said. An answer of higher standing replaces what is
   * known of the same text: people's, then the LLM's, then the model's. Resolves in bounded time.
   */
  learn(items: readonly Item[], answers: readonly (Answer | undefined)[]): Promise<void>
  /** For each item those of `others` (positions) whose answer it would get, most similar first, once that is there. */
  near(items: readonly Item[], others: readonly Item[]): readonly (readonly number[])[]
  /** What it would answer if it had learned these answers as well; undefined where it would pass. */
  suppose(item: Item, learned: readonly { readonly item: Item; readonly answer: Answer }[]): Answer | undefined
}

export interface SimilarOptions {
  readonly task: Pick<Task, 'name' | 'segments' | 'labels' | 'similar' | 'localOnly'>
  /** Shared by processes: answers of the LLM and of people. Absent: this one knows what it has learned itself. */
  readonly store: NearStore | undefined
  readonly clock: Clock
  readonly emit: Emit
}

interface Known {
  readonly answer: Answer
  /** When the store was last asked about it, or it was learned, on the clock's monotonic time. */
  confirmed_ms: number
}

interface Looked {
  readonly found: 'hit' | 'none' | 'clash' | 'disagreement'
  /** Of a hit. */
  readonly known?: Known
}

export function similarTier({ task, store, clock, emit }: SimilarOptions): SimilarTier {
  const { threshold, vetoes, compare, audit_share, false_hits_max, local_min, entries_max, bytes_max } = task.similar
  const known = neighbours<Known>({ ...BANDING, entries_max, bytes_max })
  const values = answeredTexts(task)
  const audit = createAudit<Answer>(audit_share, false_hits_max)
  let saidOff_ms = -Infinity
  const signed = new WeakMap<Item, Signature>()
  const sameLabel = (a: Answer, b: Answer) => pathKey(a.label) === pathKey(b.label)

  function look(asked: Signature): Looked {
    const said = verdict(asked, known.find(asked, threshold), vetoes, (a, b) => sameLabel(a.answer, b.answer))
    if (said.kind === 'doubt') return { found: said.why }
    return said.kind === 'none' ? { found: 'none' } : { found: 'hit', known: said.value }
  }

  function keep(id: string, texts: Signature, answer: Answer): void {
    const before = known.get(id)
    if (before !== undefined && !supersedes(answer, before.answer)) return
    known.add(id, texts, { answer, confirmed_ms: clock.elapsed() })
  }

  const isToConfirm = ({ found, known: hit }: Looked) =>
    found === 'none' || (hit !== undefined && clock.elapsed() - hit.confirmed_ms > BELIEVED_MS)

  /** Learns what other processes know of these texts. */
  async function ask(shared: NearStore, asked: readonly Signature[]): Promise<void> {
    const [found, off] = await Promise.all([shared.find(asked.map(known.bands)), shared.isOff()])
    if (off !== undefined && audit.told(off)) emit('similar.switched', { task: task.name, state: off ? 'off' : 'on' })
    const read = new Map<string, { readonly signature: Signature; readonly answer: Answer } | undefined>()
    let rejected = 0
    /** Texts that many are asked about stand beside each of them: read once. */
    const readOnce = ({ id, value }: NearEntry) => {
      if (read.has(id)) return read.get(id)
      const entry = values.decode(value)
      if (entry === undefined) rejected++
      const made = entry && { signature: signature(entry.texts, compare), answer: entry.answer }
      read.set(id, made)
      return made
    }
    const learned = new Set<string>()
    found.forEach((entries, at) => {
      for (const entry of entries) {
        if (learned.has(entry.id)) continue
        const other = readOnce(entry)
        if (other === undefined || similarity(asked[at]!, other.signature, threshold) < threshold) continue
        learned.add(entry.id)
        keep(entry.id, other.signature, other.answer)
      }
    })
    if (rejected > 0) emit('cache.rejected', { task: task.name, entries: rejected })
  }

  async function lookEverywhere(asked: readonly Signature[]): Promise<readonly Looked[]> {
    const looked = asked.map(look)
    const open = looked.flatMap((it, at) => (isToConfirm(it) ? [at] : []))
    if (store === undefined || open.length === 0) return looked
    await ask(
      store,
      open.map((at) => asked[at]!),
    )
    for (const at of open) {
      const again = look(asked[at]!)
      if (again.known) again.known.confirmed_ms = clock.elapsed()
      looked[at] = again
    }
    return looked
  }

  function compareAudited({ textHash }: Item, truth: Answer): void {
    if (truth.tier === 'similar') return
    const heard = audit.heard(textHash, (given) => sameLabel(given, truth))
    if (heard === undefined) return
    const { isWrong, state, isNew, rate, low, high } = heard
    emit('similar.audited', { task: task.name, right: String(!isWrong), rate, low, high })
    if (isNew) emit('similar.switched', { task: task.name, state, rate, low, high })
    const isDue = state === 'off' && clock.elapsed() - saidOff_ms > SAY_AGAIN_MS
    if (!isNew && !isDue) return
    saidOff_ms = clock.elapsed()
    void store?.sayOff(state === 'off')
  }

  /** Once an item: it is looked up, held against others in flight, and learned. */
  function sign(item: Item): Signature {
    const before = signed.get(item)
    if (before !== undefined) return before
    const made = signature(item.segments.map(normalise), compare)
    signed.set(item, made)
    return made
  }

  const bandKeys = (signed: Signature) => Array.from(known.bands(signed), (hash, band) => band * 2 ** 32 + hash)

  return {
    near(items, others) {
      const candidates = others.map(sign)
      const byBand = new Map<number, number[]>()
      candidates.forEach((other, at) => {
        for (const key of bandKeys(other)) (byBand.get(key) ?? byBand.set(key, []).get(key)!).push(at)
      })
      return items.map((item, index) => {
        if (audit.passesOn(item.textHash)) return []
        const asked = items === others ? candidates[index]! : sign(item)
        const sharing = new Set(bandKeys(asked).flatMap((key) => byBand.get(key) ?? []))
        const near = [...sharing].flatMap((at) => {
          const other = candidates[at]!
          if (others[at]!.textHash === item.textHash) return []
          const measured = similarity(asked, other, threshold)
          return measured < threshold || clash(asked.facts(), other.facts(), vetoes) !== undefined
            ? []
            : [{ at, measured }]
        })
        return near.sort((a, b) => b.measured - a.measured || a.at - b.at).map(({ at }) => at)
      })
    },
    suppose(item, learned) {
      if (audit.passesOn(item.textHash)) return undefined
      const asked = sign(item)
      const more = learned.map(({ item: other, answer }) => {
        const signature = sign(other)
        return { signature, value: { answer, confirmed_ms: 0 }, similarity: similarity(asked, signature) }
      })
      const near = [...more.filter((it) => it.similarity >= threshold), ...known.find(asked, threshold)]
      near.sort((a, b) => b.similarity - a.similarity)
      const said = verdict(asked, near, vetoes, (a, b) => sameLabel(a.answer, b.answer))
      return said.kind === 'hit' ? { ...said.value.answer, probabilities: [], tier: 'similar' } : undefined
    },
    async answer(items) {
      const looked = await lookEverywhere(items.map(sign))
      const counts = new Map<string, number>()
      const replies = looked.map(({ found, known: hit }, at): Reply => {
        const item = items[at]!
        const given: Answer | undefined = hit && { ...hit.answer, probabilities: [], tier: 'similar' }
        const next = given && audit.next(item.textHash, given, !mustStay(task, item))
        const said = next === undefined || next === 'answered' ? found : next
        counts.set(said, (counts.get(said) ?? 0) + 1)
        return said === 'hit' ? { kind: 'answer', answer: given!, shortlist: [] } : PASS
      })
      for (const [found, count] of counts) emit('similar.read', { task: task.name, found, items: count })
      return replies
    },
    async learn(items, answers) {
      const toShare: NearAddition[] = []
      answers.forEach((answer, at) => {
        const item = items[at]
        if (answer === undefined || item === undefined) return
        compareAudited(item, answer)
        const rank = rankOf(answer, local_min)
        if (rank === 0) return
        keep(item.textHash, sign(item), answer)
        // A local answer is not worth a server's time: other processes have the same model.
        if (answer.tier === 'local') return
        const value = values.encode({ texts: item.segments.map(normalise), answer })
        if (value !== undefined) toShare.push({ id: item.textHash, value, bands: known.bands(sign(item)), rank })
      })
      // Nobody waits for it: the store bounds what is under way.
      if (toShare.length > 0) void store?.add(toShare)
    },
  }
}
