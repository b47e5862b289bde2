// Equal texts in flight are asked once. Around the LLM tier, for all batches of a process and, through leases, of others:
//
//   text ─► nobody asks about it ─────────────► the LLM ─► answered
//      ├──► an earlier turn asks about it, ───► wait until that turn is over ─┬─► known now: answered, at no cost
//      │    or about one nearly the same                                      └─► not known: begin again
//      └──► nearly the same as one of its own turn's ─► that one's answer, where the similar tier takes it; else begin again
//
// Waiting ends with the turn waited for, after a time, when the process drains, and when Redis falls silent; then a text is
// asked about like any other. Must never let two turns wait for each other (core/llm/turn.ts) nor wait without a pulse.
import type { Item } from '../core/item.ts'
import { NO_USAGE } from '../core/llm/usage.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'
import type { Leases } from '../ports/leases.ts'
import { BatchLeft } from '../ports/stream.ts'
import type { LlmResult, OpenItem, TierPort, Turn } from '../ports/tier.ts'
import { createInFlight } from './in-flight.ts'
import type { LlmTier } from './llm.ts'
import { whilePulsing } from './pulse.ts'
import type { SimilarTier } from './similar.ts'

export interface CoalesceOptions {
  readonly task: string
  readonly llm: Pick<LlmTier, 'answer'>
  /** What is known without asking the LLM: asked again about texts that waited. */
  readonly known: TierPort
  /** Absent: only equal texts are coalesced. */
  readonly similar: Pick<SimilarTier, 'near' | 'suppose'> | undefined
  /** Absent: only this process's turns are known. */
  readonly leases: Leases | undefined
  readonly clock: Clock
  readonly emit: Emit
  /** A turn waits for others for so long, all its waiting together; 0: nobody waits. */
  readonly wait_ms: number
  /** `progress` is called this often while waiting. */
  readonly progress_ms: number
  /** Aborted when the process drains. */
  readonly draining: AbortSignal
}

/**
 * One result per item, in order. Rejects with what `progress` throws, and with BatchLeft where the process drains and no
 * task of the turn has asked anything yet: nothing is paid for then, and whoever reads the batch next begins it anew.
 */
export type Coalesced = (
  open: readonly OpenItem[],
  progress: () => Promise<void>,
  turn: Turn,
) => Promise<readonly LlmResult[]>

/** Items of one text. */
type Group = readonly [OpenItem, ...OpenItem[]]
type Where = 'batch' | 'process' | 'remote'

/** A text that waits for the turn. */
interface Waiter {
  readonly group: Group
  readonly text: 'equal' | 'near'
  readonly ahead: Turn | string
}

interface Round {
  readonly mine: readonly Group[]
  /** Nearly the same as those of `mine`, most similar first. */
  readonly followers: readonly { readonly group: Group; readonly leaders: readonly Group[] }[]
  readonly waiters: readonly Waiter[]
}

/** Between two looks at the leases that are waited for. */
const POLL_MS = 250
/** Where an answer came from when the item itself was not asked about. */
const BY_CACHE = { model: 'cache', calls: 0, ...NO_USAGE, costUsd: 0 }

const first = (group: Group): Item => group[0].item

export function coalesced(options: CoalesceOptions): Coalesced {
  const { task, llm, known, similar, leases, clock, emit, draining } = options
  const inFlight = createInFlight(leases, clock)

  function count(text: Waiter['text'], where: Where, became: 'answered' | 'asked', items: number): void {
    if (items > 0) emit('llm.coalesced', { task, text, where, became, items })
  }

  /** Without waiting in between until the hold stands: turns of one process see each other in order. */
  async function share(groups: readonly Group[], turn: Turn, patient: boolean): Promise<Round> {
    const waiters: Waiter[] = []
    const followers: Round['followers'][number][] = []
    const mine: Group[] = []
    const others = similar && patient ? inFlight.others(turn) : []
    const firsts = groups.map(first)
    const nearOthers =
      others.length === 0
        ? undefined
        : similar?.near(
            firsts,
            others.map(({ item }) => item),
          )
    const nearOwn = similar?.near(firsts, firsts)
    groups.forEach((group, at) => {
      const equal = patient ? inFlight.ahead(first(group), turn) : undefined
      const near = others[nearOthers?.[at]?.[0] ?? -1]
      const leaders = (nearOwn?.[at] ?? []).flatMap((other) => (mine.includes(groups[other]!) ? [groups[other]!] : []))
      if (equal) waiters.push({ group, text: 'equal', ahead: equal })
      else if (near) waiters.push({ group, text: 'near', ahead: near.turn })
      else if (leaders.length > 0) followers.push({ group, leaders })
      else mine.push(group)
    })
    inFlight.hold(mine.map(first), turn)
    const leased = await inFlight.lease(mine.map(first), turn)
    if (patient)
      for (const group of mine) {
        const ahead = leased.get(first(group))
        if (ahead !== undefined) waiters.push({ group, text: 'equal', ahead })
      }
    const waiting = new Set(waiters.map(({ group }) => group))
    return { mine: mine.filter((group) => !waiting.has(group)), followers, waiters }
  }

  /** Resolves when all that are waited for are over, the time is, or the process drains; rejects with the signal's reason. */
  async function wait(waiters: readonly Waiter[], left_ms: number, signal: AbortSignal): Promise<void> {
    if (waiters.length === 0) return
    const started = clock.elapsed()
    const enough = new AbortController()
    const end = AbortSignal.any([signal, draining, enough.signal])
    const ended = new Promise<void>((resolve) => {
      if (end.aborted) resolve()
      else end.addEventListener('abort', () => resolve(), { once: true })
    })
    const turns = waiters.flatMap(({ ahead }) => (typeof ahead === 'string' ? [] : [ahead.over]))
    const leased = new Map(
      waiters.flatMap(({ ahead, group }) =>
        typeof ahead === 'string' ? [[first(group).textHash, ahead] as const] : [],
      ),
    )
    const timed = clock.sleep(left_ms, end).then(
      () => enough.abort(),
      () => {},
    )
    await Promise.race([Promise.all([...turns, gone(leased, end)]), ended])
    enough.abort()
    await timed
    emit('llm.waited', { task, seconds: (clock.elapsed() - started) / 1000, items: waiters.length })
    signal.throwIfAborted()
  }

  async function gone(leased: ReadonlyMap<string, string>, end: AbortSignal): Promise<void> {
    for (let left = leased; left.size > 0; left = await inFlight.stillLeased(left)) {
      await clock.sleep(POLL_MS, end).catch(() => {})
      if (end.aborted) return
    }
  }

  /** What is known now of texts that waited; counts them. */
  async function lookUp(waiters: readonly Waiter[], keep: (results: readonly LlmResult[]) => void): Promise<Group[]> {
    const replies = await known.answer(waiters.map(({ group }) => first(group)))
    return waiters.flatMap(({ group, text, ahead }, at) => {
      const reply = replies[at]
      const where = typeof ahead === 'string' ? 'remote' : 'process'
      count(text, where, reply?.kind === 'answer' ? 'answered' : 'asked', group.length)
      if (reply?.kind !== 'answer') return [group]
      keep(group.map(({ item }) => ({ kind: 'answered', item, answer: reply.answer, record: BY_CACHE })))
      return []
    })
  }

  /** Gives followers their leaders' answers where the similar tier would; the others are still open. */
  function follow(
    followers: Round['followers'],
    of: (item: Item) => LlmResult | undefined,
    keep: (results: readonly LlmResult[]) => void,
  ): Group[] {
    return followers.flatMap(({ group, leaders }) => {
      const said = leaders.map((leader) => of(first(leader)))
      const learned = said.flatMap((result) => (result?.kind === 'answered' ? [result] : []))
      const answer = learned.length === said.length ? similar!.suppose(first(group), learned) : undefined
      count('near', 'batch', answer ? 'answered' : 'asked', group.length)
      if (!answer) return [group]
      keep(group.map(({ item }) => ({ kind: 'answered', item, answer, record: BY_CACHE })))
      return []
    })
  }

  return async (open, progress, turn) => {
    const results = new Map<Item, LlmResult>()
    const keep = (some: readonly LlmResult[]) => some.forEach((result) => results.set(result.item, result))
    const deadline = clock.elapsed() + options.wait_ms

    async function work(signal: AbortSignal, fail: (error: unknown) => void): Promise<void> {
      let groups = [...Map.groupBy(open, ({ item }) => item.textHash).values()] as readonly unknown[] as Group[]
      while (groups.length > 0) {
        const left_ms = deadline - clock.elapsed()
        const { mine, followers, waiters } = await share(groups, turn, left_ms > 0 && !draining.aborted)
        signal.throwIfAborted()
        // No waiting between the two: of the tasks of one batch none leaves it once another has asked.
        if (draining.aborted && !turn.asked) throw new BatchLeft()
        turn.asked ||= mine.length > 0
        const asking = mine.length > 0 ? llm.answer(mine.flat(), async () => {}, signal) : Promise.resolve([])
        const both = [asking.then(keep), wait(waiters, left_ms, signal)]
        for (const one of both) one.catch(fail)
        await Promise.allSettled(both)
        await Promise.all(both)
        for (const group of mine) count('equal', 'batch', 'answered', group.length - 1)
        groups = [...follow(followers, (item) => results.get(item), keep), ...(await lookUp(waiters, keep))]
      }
    }

    const never = new AbortController().signal
    await whilePulsing({ clock, every_ms: options.progress_ms, progress, signal: never }, work)
    return open.map(({ item }) => results.get(item)!)
  }
}
