// Coalescing for the fallback role: what its tasks' texts share about who is asking, in this process and with others.
import { randomBytes } from 'node:crypto'
import { turnName } from '../core/llm/turn.ts'
import type { Task } from '../core/task.ts'
import type { TierPort } from '../ports/tier.ts'
import { coalesced } from '../tiers/coalesce.ts'
import type { Coalesced } from '../tiers/coalesce.ts'
import type { LlmTier } from '../tiers/llm.ts'
import type { SimilarTier } from '../tiers/similar.ts'
import type { Runtime } from './runtime.ts'

interface Coalescing {
  around(task: Task, llm: LlmTier, known: TierPort, similar: SimilarTier | undefined): Coalesced
  nameTurn(): string
  /** Nobody waits any more. */
  drain(): void
}

export function coalescing(runtime: Runtime, progress_ms: number): Coalescing {
  const { config, clock, emit } = runtime
  const draining = new AbortController()
  const shared = { clock, emit, wait_ms: config.llm.coalesce_wait_ms, progress_ms, draining: draining.signal }
  return {
    around: (task, llm, known, similar) =>
      coalesced({ ...shared, task: task.name, llm, known, similar, leases: runtime.leases(task) }),
    nameTurn: () => turnName(clock.now(), randomBytes(8).toString('hex')),
    drain: () => draining.abort(),
  }
}
