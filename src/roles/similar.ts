// The similar tiers of a process, one a task: roles that share the process share what it has learned.
import { systemClock } from '../adapters/clock.ts'
import type { Answer } from '../core/answer.ts'
import type { Item } from '../core/item.ts'
import type { Task } from '../core/task.ts'
import type { Emit } from '../ports/events.ts'
import { similarTier } from '../tiers/similar.ts'
import type { ExactTier } from '../tiers/exact.ts'
import type { SimilarTier } from '../tiers/similar.ts'
import { scopeOf } from './caches.ts'
import type { Caches } from './caches.ts'

/** Gives the task's tier, undefined where its `tiers` do not name `similar`. */
export function similarTiers(caches: Caches, emit: Emit): (task: Task) => SimilarTier | undefined {
  const open = new Map<string, SimilarTier>()
  return (task) => {
    if (!task.order.includes('similar')) return undefined
    const { name } = task
    const store = caches.near(scopeOf(task))
    const tier = open.get(name) ?? similarTier({ task, store, clock: systemClock, emit })
    open.set(name, tier)
    return tier
  }
}

/** Keeps what was answered for texts that are the same and for texts that are similar. */
export function rememberIn(exact: ExactTier, similar: SimilarTier | undefined) {
  return async (items: readonly Item[], answers: readonly (Answer | undefined)[]): Promise<void> => {
    await Promise.all([exact.remember(items, answers), similar?.learn(items, answers)])
  }
}
