// Turns what a batch did into events. Counts and times only.
import type { Outcome } from '../core/outcome.ts'
import type { Clock } from '../ports/clock.ts'
import type { Emit } from '../ports/events.ts'

/** Each call names the stage that just ended, and gives the milliseconds it took; `since` measures from a record's own timestamp. */
export function stopwatch(clock: Clock, emit: Emit, task: string) {
  let last = clock.elapsed()
  const lap = (stage: string): number => {
    const now = clock.elapsed()
    const took_ms = now - last
    emit('stage.timed', { task, stage, seconds: took_ms / 1000 })
    last = now
    return took_ms
  }
  lap.since = (timestamp_ms: number, stage: string): void => {
    emit('stage.timed', { task, stage, seconds: Math.max(0, clock.now() - timestamp_ms) / 1000 })
  }
  return lap
}

export function countOutcomes(emit: Emit, task: string, outcomes: readonly Outcome[]): void {
  const counts = new Map<string, number>()
  for (const outcome of outcomes) {
    const detail =
      outcome.kind === 'result' ? outcome.answer.tier : outcome.kind === 'dead-letter' ? outcome.reason : 'none'
    const key = `${outcome.kind} ${detail}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  for (const [key, items] of counts) {
    const [outcome, detail] = key.split(' ') as [Outcome['kind'], string]
    emit('outcome.decided', { task, outcome, tier: outcome === 'result' ? detail : 'none', items })
    if (outcome === 'dead-letter') emit('item.dead-lettered', { task, reason: detail, items })
  }
}
