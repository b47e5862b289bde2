// Counts what comes out of the outcome topics, by headers that any reader could use; compares with the truth.
// Nothing is taken from inside the process: what is shown is what was committed.
import type { Headers } from '../../ports/stream.ts'

export interface TierTally {
  items: number
  /** Items whose truth is known and is what was answered. */
  right: number
  /** Milliseconds from the event's time to the outcome's, one per item. */
  readonly latencies_ms: number[]
}

export interface Seen {
  readonly headers: Headers
  /** Result key. */
  readonly entity: string
  /** The answer as people write it; undefined for what is no result. */
  readonly label: string | undefined
  readonly latency_ms: number
}

export interface Tally {
  /** By tier for results, by outcome for reviews and dead letters. */
  readonly tiers: ReadonlyMap<string, TierTally>
  /** Items by task, then by the same names. */
  readonly tasks: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Items in the fallback topic that have no final outcome yet. */
  waiting(): number
  /** Items with a final outcome: result, review or dead letter. */
  done(): number
  /** Final outcomes beyond the first of an item: must stay 0. */
  doubled(): number
  see(seen: Seen): void
}

export function createTally(truth: ReadonlyMap<string, string>): Tally {
  const tiers = new Map<string, TierTally>()
  const tasks = new Map<string, Map<string, number>>()
  const sent = new Set<string>()
  const final = new Set<string>()
  let doubled = 0
  return {
    tiers,
    tasks,
    waiting: () => sent.size,
    done: () => final.size,
    doubled: () => doubled,
    see({ headers, entity, label, latency_ms }) {
      const text = (name: string): string => headers[name]?.toString() ?? ''
      const outcome = text('sluice-outcome')
      const item = `${text('sluice-task')}/${text('sluice-item')}`
      if (outcome === 'provisional') return
      if (outcome === 'fallback') {
        if (!final.has(item)) sent.add(item)
        return
      }
      if (final.has(item)) doubled++
      final.add(item)
      sent.delete(item)
      const name = outcome === 'result' ? text('sluice-tier') : outcome
      const tier = tiers.get(name) ?? { items: 0, right: 0, latencies_ms: [] }
      tiers.set(name, tier)
      tier.items++
      const counts = tasks.get(text('sluice-task')) ?? new Map<string, number>()
      tasks.set(text('sluice-task'), counts)
      counts.set(name, (counts.get(name) ?? 0) + 1)
      tier.latencies_ms.push(latency_ms)
      if (label !== undefined && truth.get(entity) === label) tier.right++
    },
  }
}

/** The middle value; 0 of nothing. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
