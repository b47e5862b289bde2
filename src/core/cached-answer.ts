// How an answer is written into a cache and read back: compact JSON, [tier, digest, label path, probabilities].
// Must never return what the task could not have answered: the label is in the label set, probabilities are in [0, 1].
import type { Answer } from './answer.ts'
import { pathKey } from './labels.ts'
import type { LabelPath, LabelSet } from './labels.ts'

/** Longer values are not ours. */
const VALUE_LENGTH_MAX = 4_000

/** A digest is printable and short: it ends up in headers and logs. */
const DIGEST = /^[!-~]{1,200}$/

/** Asserted answers (llm, human) have no probabilities; estimated ones (local) have one per level. */
export type Kind = 'asserted' | 'estimated'

export interface CachedAnswers {
  encode(answer: Answer): string
  /** The answer that was kept, or undefined where the value is damaged, foreign, poisoned or of the other kind. */
  decode(value: string, kind: Kind): Answer | undefined
}

export function cachedAnswers(labels: LabelSet): CachedAnswers {
  const byKey = new Map(labels.paths.map((path) => [pathKey(path), path]))

  /** The label set's own path, so that answers share it. */
  function ownPath(found: unknown): LabelPath | undefined {
    if (!isStrings(found) || found.length !== labels.levels) return undefined
    const own = byKey.get(pathKey(found))
    return own?.every((name, level) => name === found[level]) === true ? own : undefined
  }

  function isProbabilities(found: unknown, length: number): found is readonly number[] {
    return (
      Array.isArray(found) && found.length === length && found.every((p) => typeof p === 'number' && p >= 0 && p <= 1)
    )
  }

  return {
    encode: ({ tier, digest, label, probabilities }) => JSON.stringify([tier, digest, label, probabilities]),
    decode(value, kind) {
      const parts = parse(value)
      if (parts?.length !== 4) return undefined
      const [tier, digest, found, probabilities] = parts
      if (kind === 'asserted' ? tier !== 'llm' && tier !== 'human' : tier !== 'local') return undefined
      if (typeof digest !== 'string' || !DIGEST.test(digest)) return undefined
      const label = ownPath(found)
      if (label === undefined) return undefined
      if (!isProbabilities(probabilities, kind === 'asserted' ? 0 : labels.levels)) return undefined
      return { label, probabilities, tier: tier as Answer['tier'], digest }
    },
  }
}

function isStrings(found: unknown): found is readonly string[] {
  return Array.isArray(found) && found.every((part) => typeof part === 'string')
}

function parse(value: string): readonly unknown[] | undefined {
  if (value.length > VALUE_LENGTH_MAX || value[0] !== '[') return undefined
  try {
    const parsed: unknown = JSON.parse(value)
    return Array.isArray(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}
