// Processes that coalesce, on one manual clock: each turn asks, commits or does not, and everything that is asked is counted.
// The shared cache learns with a commit and never before, as in the fallback role.
import { turnName } from '../../src/core/llm/turn.ts'
import { PASS } from '../../src/core/answer.ts'
import type { Answer } from '../../src/core/answer.ts'
import type { EventFields } from '../../src/core/events.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Leases } from '../../src/ports/leases.ts'
import type { LlmResult, OpenItem, Turn } from '../../src/ports/tier.ts'
import { coalesced } from '../../src/tiers/coalesce.ts'
import type { CoalesceOptions } from '../../src/tiers/coalesce.ts'
import { fakeClock } from '../fakes/clock.ts'
import { leaseStore } from '../fakes/leases.ts'
import { hash, openItem } from './llm.ts'

export const CALL_MS = 1_000
export const LEASE_MS = 10_000
export const WAIT_MS = 60_000

/** What becomes of a turn once it has its answers. */
export type Fate = 'commit' | 'abort' | 'kill'

export interface World {
  readonly clock: Clock
  /** Texts in the order in which the LLM was asked about them. */
  readonly asked: string[]
  readonly events: { readonly name: string; readonly fields: EventFields }[]
  readonly held: () => readonly string[]
  process(options?: Partial<CoalesceOptions>): Process
  count(name: string, fields?: EventFields): number
}

export interface Process {
  readonly drain: () => void
  /** Resolves when the turn is over; `took_ms` is until it had its answers. `shared`: of several tasks. */
  turn(texts: readonly string[], fate?: Fate, progress?: () => Promise<void>, shared?: Turn): Promise<Done>
}

export interface Done {
  readonly results: readonly LlmResult[]
  readonly took_ms: number
  readonly beats: number
}

/** A text is answered with its first word. */
const labelOf = (text: string): string => text.split(' ')[0]!
const textOf = ({ item }: OpenItem): string => item.segments[0]!

export function coalesceWorld(
  options: { leases?: boolean; pause_ms?: number; call_ms?: (texts: readonly string[]) => number } = {},
): World {
  const clock = fakeClock()
  const store = leaseStore({ clock, lease_ms: LEASE_MS, pause_ms: options.pause_ms ?? 0 })
  const cache = new Map<string, Answer>()
  const asked: string[] = []
  const events: World['events'] = []
  let turns = 0

  const llm: CoalesceOptions['llm'] = {
    async answer(open, _progress, signal) {
      const texts = [...new Set(open.map(textOf))]
      asked.push(...texts)
      await clock.sleep(options.call_ms?.(texts) ?? CALL_MS, signal)
      const first = new Set<string>()
      return open.map((it): LlmResult => {
        const isFirst = !first.has(textOf(it))
        first.add(textOf(it))
        const record = {
          model: 'fake',
          calls: isFirst ? 1 : 0,
          inputTokens: isFirst ? 10 : 0,
          cachedInputTokens: 0,
          outputTokens: isFirst ? 5 : 0,
          costUsd: isFirst ? 0.01 : 0,
        }
        const answer = { label: [labelOf(textOf(it))], probabilities: [], tier: 'llm', digest: 'prompt' } as const
        return { kind: 'answered', item: it.item, record, answer }
      })
    },
  }

  function open(changes: Partial<CoalesceOptions>): Process {
    const draining = new AbortController()
    const leases: (Leases & { die(): void }) | undefined = options.leases === false ? undefined : store.port()
    const known: CoalesceOptions['known'] = {
      answer: async (items) =>
        items.map(({ textHash }) => {
          const answer = cache.get(textHash)
          return answer ? { kind: 'answer', answer: { ...answer, tier: 'exact' }, shortlist: [] } : PASS
        }),
    }
    const ask = coalesced({
      task: 'shop',
      llm,
      known,
      similar: undefined,
      leases,
      clock,
      emit: (name, fields) => void events.push({ name, fields }),
      wait_ms: WAIT_MS,
      progress_ms: 2_000,
      draining: draining.signal,
      ...changes,
    })
    return {
      drain: () => draining.abort(),
      async turn(texts, fate = 'commit', progress = async () => {}, shared) {
        const over = Promise.withResolvers<void>()
        const name = turnName(clock.now(), `t${(turns++).toString(36).padStart(6, '0')}`)
        const started = clock.elapsed()
        let beats = 0
        try {
          const items = texts.map((text, index) => openItem(index, text))
          const replies = await known.answer(items.map(({ item }) => item))
          const open = items.filter((_, at) => replies[at]!.kind === 'pass')
          const turn = shared ?? { name, over: over.promise, asked: false }
          const results = await ask(open, () => (beats++, progress()), turn)
          const took_ms = clock.elapsed() - started
          if (fate === 'kill') leases?.die()
          if (fate === 'commit')
            for (const { item, ...result } of results)
              if (result.kind === 'answered' && result.answer.tier === 'llm') cache.set(item.textHash, result.answer)
          return { results, took_ms, beats }
        } finally {
          over.resolve()
        }
      },
    }
  }

  return {
    clock,
    asked,
    events,
    held: () => store.held(),
    process: (changes = {}) => open(changes),
    count: (name, fields = {}) =>
      events
        .filter((it) => it.name === name && Object.entries(fields).every(([key, value]) => it.fields[key] === value))
        .reduce((sum, it) => sum + Number(it.fields['items']), 0),
  }
}

export const keyOf = (text: string): string => hash(text)
