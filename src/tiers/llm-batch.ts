// The provider's Batch API, made safe to be interrupted: hands in what is to be asked, looks how it stands, takes in what
// was answered. Each step may end anywhere and be done again; what a provider has is found by its name, and what was
// answered is never asked again.
//
//   to ask ──begun (written down)──► handed in (id written down) ──ended──► taken in: answers kept, the rest to ask again
//
// Must never hand in a request that a batch of ours may still answer.
import { mostUsage, worstAmount } from '../core/llm/budget.ts'
import { partsOf, replayRounds } from '../core/llm/batch.ts'
import { costUsd, NO_USAGE } from '../core/llm/usage.ts'
import { LlmRejected } from '../ports/llm.ts'
import type { Asking, Call } from '../core/llm/asking.ts'
import type { Keyed, PartLimits, Rounds } from '../core/llm/batch.ts'
import type { Price } from '../core/llm/usage.ts'
import type { Hash } from '../core/prompt.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { BatchPart, BatchStanding, BatchStore, LlmBatches } from '../ports/llm-batch.ts'
import type { LlmReply, LlmRequest } from '../ports/llm.ts'

export interface BatchOptions {
  readonly start: Asking
  /** The request of a call, and a key for it: 64 characters at most, the same for the same call of the same round. */
  readonly render: (asking: Asking, call: Call, round: number) => Keyed<LlmRequest>
  readonly batches: LlmBatches
  /** What was answered. */
  readonly calls: CallStore
  readonly store: BatchStore
  readonly clock: Clock
  readonly hash: Hash
  readonly limits: PartLimits & {
    /** A batch may be missing from the provider's list for this long after it was made. */
    readonly settle_ms: number
  }
  readonly price: Price | undefined
  /** What an answer in a batch costs, as a share of the price. */
  readonly price_share: number
  /**
   * Told before anything is handed in: how many requests of the round nobody has answered yet, those under way included,
   * and the most that they can cost. What it throws ends the work there.
   */
  readonly before: (requests: number, most_usd: number) => void
}

export interface TakenIn {
  /** Batches that ended. */
  readonly parts: number
  readonly answered: number
  /** Requests nobody answered, by why; they are asked again by the next `submit`. */
  readonly unanswered: Readonly<Record<string, number>>
  /** Answers to what those batches never asked: not looked at. */
  readonly foreign: number
  /** Batches that still run. */
  readonly running: number
  /** Batches that the provider did not accept. */
  readonly failed: number
}

export interface BatchWork {
  /** What is known, and what of it no batch is asking: `missing`. */
  standing(): Rounds<LlmRequest>
  /** Hands in what is missing; resolves to how many requests. Throws what LlmBatches throws, and what `before` throws. */
  submit(signal: AbortSignal): Promise<number>
  /** One for each batch that was handed in and not taken in. */
  look(signal: AbortSignal): Promise<readonly BatchStanding[]>
  /** Takes in the answers of the batches that ended. */
  harvest(signal: AbortSignal): Promise<TakenIn>
}

/** So many texts in a row are not all at fault. */
const TRIES_MAX = 3

export function createBatchWork(options: BatchOptions): BatchWork {
  const { start, render, batches, calls, store, clock, hash, limits } = options
  const rounds = () =>
    replayRounds(start, render, (key) => {
      const known = calls.get(key)
      // Those of batches have no time of their own.
      const share = known !== undefined && known.elapsed_ms > 0 ? 1 : options.price_share
      return known && { ...known, costUsd: costUsd(known.usage, options.price) * share }
    })
  const mostUsd = ({ request }: Keyed<LlmRequest>) => worstAmount(mostUsage(request), options.price).nanousd / 1e9
  const open = () => [...store.parts().entries()].filter(([, { end }]) => end === undefined)
  let tried = false

  function unasked({ missing }: Rounds<LlmRequest>): readonly Keyed<LlmRequest>[] {
    const asked = new Set(open().flatMap(([, { keys }]) => keys))
    return missing.filter(({ key }) => !asked.has(key))
  }

  async function keep(key: string, reply: LlmReply, elapsed_ms: number): Promise<void> {
    const { text, finish, usage } = reply
    const reported = usage.inputTokens > 0
    await calls.put(key, { heard: { kind: 'reply', text, finish }, usage, reported, elapsed_ms })
  }

  /** One request at once, for the full price: a wrong key or model shows, and the adapter learns what the model takes. */
  async function tryOne({ key, request }: Keyed<LlmRequest>, signal: AbortSignal): Promise<LlmRejected | undefined> {
    const began = clock.elapsed()
    try {
      await keep(key, await batches.llm.complete(request, signal), Math.max(1, clock.elapsed() - began))
      return undefined
    } catch (error) {
      if (!(error instanceof LlmRejected)) throw error
      await keepRejected(key)
      return error
    }
  }

  /** How many were tried. Throws LlmRejected where all of the first ones are turned down: that is no fault of theirs. */
  async function tryFirst(all: readonly Keyed<LlmRequest>[], known: boolean, signal: AbortSignal): Promise<number> {
    for (const [at, one] of all.entries()) {
      const why = await tryOne(one, signal)
      tried = known || why === undefined
      if (tried) return at + 1
      if (at + 1 === TRIES_MAX) throw why
    }
    return all.length
  }

  const keepRejected = (key: string): Promise<void> =>
    calls.put(key, { heard: { kind: 'rejected' }, usage: NO_USAGE, reported: true, elapsed_ms: 0 })

  /** `before`: this part was begun earlier, and may have been handed in without our hearing of it. */
  async function handIn(at: number, requests: readonly Keyed<LlmRequest>[], before: boolean, signal: AbortSignal) {
    const part = store.parts()[at]!
    const known = new Set(store.parts().flatMap(({ id }) => id ?? []))
    let found = await batches.find(part.name, known, signal)
    const rest = part.begun_ms + limits.settle_ms - clock.now()
    if (!found && before && rest > 0) {
      await clock.sleep(rest, signal)
      found = await batches.find(part.name, known, signal)
    }
    const begins = () => store.put(at, { ...part, begun_ms: clock.now() })
    found ??= await batches.create(part.name, requests, begins, signal)
    await store.put(at, { ...store.parts()[at]!, id: found.id })
  }

  return {
    standing: () => {
      const now = rounds()
      return { ...now, missing: unasked(now) }
    },

    async submit(signal) {
      const now = rounds()
      const requests = new Map(now.missing.map((one) => [one.key, one]))
      const requestsOf = ({ keys }: BatchPart) => keys.flatMap((key) => requests.get(key) ?? [])
      for (const [at, part] of open()) if (part.id === undefined) await handIn(at, requestsOf(part), true, signal)
      let fresh = unasked(now)
      if (fresh.length === 0) return 0
      const alone_usd = tried ? 0 : mostUsd(fresh[0]!) * (1 - options.price_share)
      const all_usd = now.missing.reduce((sum, one) => sum + mostUsd(one) * options.price_share, alone_usd)
      options.before(now.missing.length, all_usd)
      const all = fresh.length
      // A provider that has answered before is known; what it turns down now is another matter.
      const isKnown = now.spent.some(({ inputTokens }) => inputTokens > 0)
      if (!tried) fresh = fresh.slice(await tryFirst(fresh, isKnown, signal))
      const size = ({ request }: Keyed<LlmRequest>) => Buffer.byteLength(JSON.stringify(request))
      for (const part of partsOf(fresh, size, limits)) {
        const keys = part.map(({ key }) => key)
        const at = store.parts().length
        await store.put(at, { name: `sluice-${hash(keys.join())}`, keys, begun_ms: clock.now() })
        await handIn(at, part, false, signal)
      }
      return all
    },

    async look(signal) {
      const standings: BatchStanding[] = []
      for (const [, { id }] of open()) if (id !== undefined) standings.push(await batches.look(id, signal))
      return standings
    },

    async harvest(signal) {
      const taken = {
        parts: 0,
        answered: 0,
        unanswered: {} as Record<string, number>,
        foreign: 0,
        running: 0,
        failed: 0,
      }
      for (const [at, part] of open()) {
        if (part.id === undefined) continue
        const { phase, status } = await batches.look(part.id, signal)
        if (phase === 'running') {
          taken.running++
          continue
        }
        const asked = new Set(part.keys)
        const whys: string[] = []
        let answered = 0
        for (const answer of phase === 'failed' ? [] : await batches.read(part.id, signal)) {
          if (!asked.delete(answer.key)) taken.foreign++
          else if (answer.kind === 'unanswered') whys.push(answer.why)
          else {
            answered++
            if (answer.kind === 'reply') await keep(answer.key, answer.reply, 0)
            else await keepRejected(answer.key)
          }
        }
        for (const _ of asked) whys.push(`batch ${status}`)
        for (const why of whys) taken.unanswered[why] = (taken.unanswered[why] ?? 0) + 1
        taken.parts++
        if (phase === 'failed') taken.failed++
        taken.answered += answered
        await calls.flush()
        await store.put(at, { ...part, end: { status, answered, unanswered: whys.length } })
      }
      return taken
    },
  }
}
