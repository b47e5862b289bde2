// The exact tier: the same text, asked of the same task and label set before, gets the answer it got then.
// Must never trust what it reads: a value that this task could not have kept is a miss, whoever wrote it.
import { hash } from 'node:crypto'
import { PASS } from '../core/answer.ts'
import type { Answer, Reply } from '../core/answer.ts'
import { cachedAnswers } from '../core/cached-answer.ts'
import type { Item } from '../core/item.ts'
import type { Task } from '../core/task.ts'
import { NORMALISER_VERSION, normalise } from '../core/text/normalise.ts'
import type { Cache, CacheEntry } from '../ports/cache.ts'
import type { Emit } from '../ports/events.ts'
import type { TierPort } from '../ports/tier.ts'

/** Normalised text holds no line break, so segments cannot run into each other. */
const SEGMENT_SEPARATOR = '\n'
/** 22 base64url characters are 132 bits. */
const HASH_LENGTH = 22

/**
 * The text of an item under one spelling, hashed: sha256, base64url, cut to 132 bits. Equal texts share it.
 * Undefined where nothing is left of any segment.
 */
export function textHash(segments: readonly string[]): string | undefined {
  const text = segments.length === 1 ? normalise(segments[0]!) : segments.map(normalise).join(SEGMENT_SEPARATOR)
  return text.length < segments.length ? undefined : digestOf(text)
}

function digestOf(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, HASH_LENGTH)
}

export interface ExactTier extends TierPort {
  /**
   * Keeps answers (one per item, undefined where there is none) for the next time: those of the LLM and of people for
   * every process and every model, those of the local model for this process and that model. Resolves in bounded time.
   */
  remember(items: readonly Item[], answers: readonly (Answer | undefined)[]): Promise<void>
}

export interface ExactOptions {
  readonly task: Task
  /** Keeps what was asserted (LLM, people): valid across models, expensive to ask again, worth a shared cache. */
  readonly asserted: Cache
  /** Keeps what the local model said. In process only: computing it again costs less than asking a server. */
  readonly estimated: Cache
  /** The digest that answers of the local model carry now; undefined where no model serves. Read once a batch. */
  readonly localDigest: () => string | undefined
  readonly emit: Emit
}

export function exactTier({ task, asserted, estimated, localDigest, emit }: ExactOptions): ExactTier {
  const values = cachedAnswers(task.labels)
  const scope = digestOf(JSON.stringify([task.name, task.labelsDigest, NORMALISER_VERSION]))
  const assertedPrefix = `sluice:${scope}:`
  const estimatedPrefix = (digest: string) => `sluice:${scope}:${digest}:`

  async function answer(items: readonly Item[]): Promise<readonly Reply[]> {
    const replies: Reply[] = Array.from({ length: items.length }, () => PASS)
    let rejected = 0
    const read = (at: number, value: string | undefined, kind: 'asserted' | 'estimated'): boolean => {
      if (value === undefined) return false
      const kept = values.decode(value, kind)
      if (kept === undefined) rejected++
      else replies[at] = { kind: 'answer', answer: { ...kept, tier: 'exact' }, shortlist: [] }
      return kept !== undefined
    }

    const digest = localDigest()
    const prefix = digest === undefined ? undefined : estimatedPrefix(digest)
    const unknown: number[] = []
    items.forEach((item, at) => {
      if (read(at, asserted.peek(assertedPrefix + item.textHash), 'asserted')) return
      if (prefix !== undefined && read(at, estimated.peek(prefix + item.textHash), 'estimated')) return
      unknown.push(at)
    })
    if (unknown.length > 0) {
      const found = await asserted.get(unknown.map((at) => assertedPrefix + items[at]!.textHash))
      unknown.forEach((at, position) => read(at, found[position], 'asserted'))
    }
    if (rejected > 0) emit('cache.rejected', { task: task.name, entries: rejected })
    return replies
  }

  async function remember(items: readonly Item[], answers: readonly (Answer | undefined)[]): Promise<void> {
    const toAssert: CacheEntry[] = []
    const toEstimate: CacheEntry[] = []
    answers.forEach((given, at) => {
      const item = items[at]
      if (given === undefined || item === undefined) return
      const value = values.encode(given)
      if (given.tier === 'llm' || given.tier === 'human') toAssert.push({ key: assertedPrefix + item.textHash, value })
      else if (given.tier === 'local') toEstimate.push({ key: estimatedPrefix(given.digest) + item.textHash, value })
    })
    await Promise.all([asserted.set(toAssert), estimated.set(toEstimate)])
  }

  return { answer, remember }
}
